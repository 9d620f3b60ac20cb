// cachegen: every value in even steps up to the largest of its token and layer, a code a byte.
//
// Purpose    the quantiser before CacheGen's coder: few levels, most of the codes near the middle. Codes take a byte
//            until an entropy stage that knows their distribution, by channel, shrinks them to their entropy: 4.2
//            bits of 32 bins and 3.1 of 16 where values are normal.
// Source     CacheGen as shipped (Liu et al., SIGCOMM 2024; its repository and LMCache's serde of that name): no anchor
//            tokens and no differences to them, which the paper (section 5.1) has. There K of layers 0 to 9 and V of
//            layers 0 and 1 have 32 bins, the others 16:
//            k,layers(0-9){cachegen:bins=32} v,layers(0-1){cachegen:bins=32} rest{cachegen:bins=16}
// Planes     payload: q, a byte a value, in [layer, head, token, channel] order
//            scales:  m, binary16, one a layer and token, of all heads of the section together, in [layer, token] order
// Codes      C = bins / 2 - 1, m = max |x|, q = round(x C / m) + C in [0, 2 C], ties to even; x' = (q - C) m / C, by m
//            as it is stored.
// Options    bins=N   an even number
// Example    bins=16, two heads of one token, (7, -3.4) and (0.6, 0): C = 7, m = 7, q - C = 7, -3, 1, 0: payload 0e 04 08
//            07, scales 00 47
// Error      m / (2 C), the error of rounding m (2^-11 m; beyond 65504 the excess over it) and 2^-20 m from the
//            arithmetic.
// Saturation m beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become that
//            number.
// NaN, Inf, denormals: NaN becomes the code of 0, Inf the last one on its side; neither counts for m. Denormals are
//            values as any other; an m that binary16 rounds to 0 leaves 0.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Codes of tokens whose m is stored.
struct TokenBins {
    static constexpr std::uint64_t tokens_at_a_time = 16;

    float steps;  ///< C
    std::byte const* scales;
    std::uint64_t tokens;  ///< of the section

    template <class T>
    KOKKOS_INLINE_FUNCTION float scale_of(Page<T> const& page, std::uint64_t t) const {
        return to_float(get_as<Float16>(scales + (page.layer * tokens + page.token + t) * sizeof(Float16)));
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            float const scale = scale_of(page, t);
            float const factor = scale > 0 ? steps / scale : 0.0F;
            T const* __restrict__ const values = page.vector(t);
            auto* __restrict__ const codes = reinterpret_cast<std::uint8_t*>(to[0]) + t * page.dim;
            for (std::uint64_t i = 0; i < page.dim; ++i) {
                float place = to_float(values[i]) * factor;
                place = place == place ? place : 0.0F;
                place = place < steps ? place : steps;
                place = place > -steps ? place : -steps;
                // 1.5 x 2^23 pushes out, rounded, the digits behind the point.
                float const rounded = (place + 12582912.0F) - 12582912.0F;
                codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(rounded + steps));
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            float const step = scale_of(page, t) / steps;
            auto const* __restrict__ const codes = reinterpret_cast<std::uint8_t const*>(from[0]) + t * page.dim;
            T* __restrict__ const values = page.vector(t);
            for (std::uint64_t i = 0; i < page.dim; ++i) {
                values[i] = nearest_element<T>((static_cast<float>(codes[i]) - steps) * step);
            }
        }
    }
};

class CacheGen : public Quantiser {
  public:
    static StageInfo info();
    explicit CacheGen(Options const& options) : steps_(static_cast<float>(options.integer("bins") / 2 - 1)) {
        auto const bins = options.integer("bins");
        if (bins % 2 != 0) {
            throw ConfigError("cachegen takes an even number of bins", std::to_string(bins),
                              {std::to_string(bins - 1), std::to_string(bins + 1)});
        }
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const& shape = section.shape;
        auto const scales = shape.layers * shape.tokens * sizeof(Float16);
        return {{LedgerLine::payload, shape.values(), false, 1, shape.dim},
                {LedgerLine::scales, scales, false, sizeof(Float16), 0}};
    }
    /// A token's heads share a scale: pages of one head cannot be coded by themselves.
    std::uint64_t page_tokens(Section const&) const { return 0; }
    double encode_reads(Section const&) const { return 2; }
    double nominal_bits(Section const&) const { return 8; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        store_scales_of_tokens(space, values, planes[1].data);
        encode_pages(space, values, TokenBins::tokens_at_a_time, by_pages<std::byte>(section, planes),
                     kernel(section, planes[1].data));
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        decode_pages(space, by_pages<std::byte const>(section, planes), TokenBins::tokens_at_a_time, values,
                     kernel(section, planes[1].data));
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

    /// Public, as functions with kernels have to be.
    template <class Space, class T>
    void store_scales_of_tokens(Space const& space, KvSpan<T const> values, std::byte* scales) const {
        auto const shape = values.shape;
        Kokkos::parallel_for(
            "cachegen_scales",
            Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.layers * shape.tokens)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const layer = static_cast<std::uint64_t>(i) / shape.tokens;
                auto const token = static_cast<std::uint64_t>(i) % shape.tokens;
                float most = 0;
                for (std::uint64_t head = 0; head < shape.heads; ++head) {
                    float const of_head = largest_magnitude(values.vector(layer, head, token), shape.dim);
                    most = of_head > most ? of_head : most;
                }
                put_as(scales + static_cast<std::uint64_t>(i) * sizeof(Float16), saturated_half(most));
            });
    }

  private:
    template <class Byte, class AnyPlanes>
    static std::array<PagePlane<Byte>, 1> by_pages(Section const& section, AnyPlanes planes) {
        constexpr auto tokens = TokenBins::tokens_at_a_time;
        auto const dim = section.shape.dim;
        return {{{planes[0].data, tokens * dim, section.shape.tokens % tokens * dim}}};
    }
    TokenBins kernel(Section const& section, std::byte const* scales) const {
        return {steps_, scales, section.shape.tokens};
    }

    float steps_;
};

StageInfo CacheGen::info() {
    StageInfo info;
    info.name = "cachegen";
    info.summary = "even steps up to the largest value of a token's heads, a code a byte for an entropy stage";
    info.source = "CacheGen (Liu et al., SIGCOMM 2024) as shipped, and in LMCache";
    info.non_finite = NonFinite::saturated;
    info.mixes_heads = true;
    info.engines = {{.differs = "LMCache has it as remote_serde cachegen, with a coder of its own behind, and not as a "
                                "serde of an L2 adapter"}};
    info.options = {integer_option("bins", std::nullopt, 4, 256, "even; values have bins - 1 levels")};
    info.examples = {"cachegen:bins=32", "cachegen:bins=16", "cachegen:bins=256"};
    return info;
}

void CacheGen::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const& shape = section.shape;
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
        for (std::uint64_t token = 0; token < shape.tokens; ++token) {
            auto const vector = [&](std::uint64_t head) {
                return ((layer * shape.heads + head) * shape.tokens + token) * shape.dim;
            };
            double most = 0;
            for (std::uint64_t head = 0; head < shape.heads; ++head) {
                most = std::max<double>(most, largest_magnitude(values + vector(head), shape.dim));
            }
            double const stored = to_float(saturated_half(static_cast<float>(most)));
            for (std::uint64_t head = 0; head < shape.heads; ++head) {
                for (auto i = vector(head); i < vector(head) + shape.dim; ++i) {
                    auto const beyond = std::max(0.0, std::fabs(double{values[i]}) - stored);
                    bounds[i] = stored / (2 * steps_) + beyond + std::ldexp(most, -20);
                }
            }
        }
    }
}

static Register<CacheGen> const registered;

}  // namespace kvstone
