// example-int4: every value as a signed integer of four bits, with a scale for each vector.
//
// Purpose    an example of a whole quantiser: groups that share a scale, codes of less than a byte, bounds.
// Source     round to nearest, symmetric, as `int:bits=4,axis=token` does it.
// Planes     payload: codes of 4 bits, two a byte, the first in the low half; each vector from a byte of its own, in
//            [layer, head, token] order
//            scales:  one f32 a vector, the largest finite magnitude / 7, at least 2^-126
// Example    (7, -3.6, 0, 1): scale 1, codes 15, 4, 8, 9 (value + 8): payload 4f 98, scales 00 00 80 3f
// Error      half the scale.
// NaN, Inf, denormals: NaN becomes 0, Inf the largest code with its sign; denormals are values as any other.

#include <array>
#include <cfloat>
#include <cmath>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ExampleInt4Codes {  // a page is one vector of `dim` floats
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        float largest = 0;
        for (std::uint64_t c = 0; c < page.dim; ++c) {
            float const size = Kokkos::fabs(to_float(page.values[c]));
            if (size > largest && size <= FLT_MAX) largest = size;
        }
        auto const scale = store_scale(ScaleFormat::fp32, largest / 7, to[1]);
        for (std::uint64_t c = 0; c < page.dim; c += 2) {
            auto const high = c + 1 < page.dim ? code(to_float(page.values[c + 1]) / scale) : 0U;
            to[0][c / 2] = static_cast<std::byte>(code(to_float(page.values[c]) / scale) | high << 4);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const scale = load_scale(ScaleFormat::fp32, from[1]);
        for (std::uint64_t c = 0; c < page.dim; ++c) {
            auto const code = static_cast<int>(static_cast<unsigned>(from[0][c / 2]) >> c % 2 * 4 & 15U) - 8;
            page.values[c] = nearest_element<T>(scale * static_cast<float>(code));
        }
    }
    KOKKOS_INLINE_FUNCTION static unsigned code(float quotient) {
        if (!(quotient == quotient)) return 8;
        return static_cast<unsigned>(static_cast<int>(Kokkos::rint(Kokkos::fmax(-7.0F, Kokkos::fmin(7.0F, quotient)))) +
                                     8);
    }
};

struct ExampleInt4 : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "example-int4";
        info.summary = "integers of four bits, a scale a vector";
        info.engines = {{.differs = "no engine has this stage"}};
        info.non_finite = NonFinite::saturated;
        info.examples = {"example-int4", "example-int4 | zstd"};
        info.side_bits = {0.5, "a scale of 32 bits for 64 values"};
        return info;
    }
    explicit ExampleInt4(Options const&) {}

    double nominal_bits(Section const&) const { return 4; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const row = (section.shape.dim + 1) / 2;
        return {{LedgerLine::payload, section.shape.vectors() * row, false, 1, row},
                {LedgerLine::scales, section.shape.vectors() * sizeof(float), false, sizeof(float), 1}};
    }
    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        encode_pages(space, values, 1, pages(section, planes[0].data, planes[1].data), ExampleInt4Codes{});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        decode_pages(space, pages(section, planes[0].data, planes[1].data), 1, values, ExampleInt4Codes{});
    }
    template <class Byte>
    static std::array<PagePlane<Byte>, 2> pages(Section const& section, Byte* codes, Byte* scales) {
        return {{{codes, (section.shape.dim + 1) / 2, 0}, {scales, sizeof(float), 0}}};
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        auto const dim = section.shape.dim;
        for (std::uint64_t i = 0; i < section.shape.values(); i += dim) {
            double largest = 0;
            for (std::uint64_t c = i; c < i + dim; ++c)
                if (std::isfinite(values[c])) largest = std::fmax(largest, std::fabs(double{values[c]}));
            // Half the scale, and what the arithmetic in float adds.
            for (std::uint64_t c = i; c < i + dim; ++c) bounds[c] = std::fmax(largest / 7, FLT_MIN) * 0.50001;
        }
    }
};

static Register<ExampleInt4> const registered;

}  // namespace kvstone
