// higgs: pairs of values as the nearest point of the plane's best grid for normal values.
//
// Purpose    two values that share a code have less error than two codes of half its bits: .00776 of the variance against
//            .00950 at 4 bits a value. For values that are close to normal, as those of rotated vectors are:
//            `hadamard | higgs:bits=b`.
// Source     Malinovskii et al., "Pushing the Limits of Large Language Model Quantization via the Linearity Theorem",
//            2024 (HIGGS), section 4: p = 2, n = 2^(2b); for caches Shutova et al., "Cache Me If You Must" (AQUA-KV),
//            2025. The grids are our own (see gaussian_grids.hpp): figures of the published ones are
//            .1086, .0298 and .00824, and the last is further from the optimum than the others.
// Planes     payload: codes of 2 b bits (see bit_packing.hpp), one for values 2 i and 2 i + 1 of a vector, each vector
//                     from a byte of its own. The second of a last pair that has one value is 0.
//            scales:  n = |x|, binary16, one a vector
//            Both in [layer, head, token] order. Pairs of sqrt(d) x / n are coded, by n as it is stored; decoded values are
//            n / sqrt(d) times the point.
// Options    bits=2|3|4   a value
// Example    bits=2, (12, 5): n = 13, coded is (1.3054, .5439); the nearest of the 16 points is number 14,
//            (1.6953, .7820), .457 away; number 10, (.6250, .6360), is .687 away: payload 0e, scales 80 4a; decoded:
//            15.584 and 7.188
// Error      of each value: the distance of its pair to the nearest point, times n / sqrt(d) (a point that is nearest
//            but for rounding may be taken).
// Saturation n beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become that
//            number.
// NaN, Inf, denormals: NaN counts as 0, Inf as the vector's largest finite magnitude with its sign. Denormals are
//            values as any other; norms below 2^-25 become 0.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/finite_values.hpp"
#include "codecs/kernels/gaussian_grids.hpp"
#include "codecs/kernels/square_sums.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Codes and norms; a page is one token.
struct PlanePoints {
    static constexpr std::uint64_t pairs_at_a_time = 64;

    unsigned code_bits;
    float const* points;  ///< all x, then all y, then half of each squared length
    double root_of_dim;

    KOKKOS_INLINE_FUNCTION std::uint64_t count() const { return std::uint64_t{1} << code_bits; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        constexpr auto together = 2 * pairs_at_a_time;
        auto const most = largest_magnitude(page.values, page.dim);
        float finite[together];
        double squares = 0;
        for (std::uint64_t first = 0; first < page.dim; first += together) {
            auto const now = page.dim - first < together ? page.dim - first : together;
            copy_finite(page.values + first, now, most, finite);
            squares += square_sum(finite, now);
        }
        auto const stored = stored_norm(squares);
        put_as(to[1], stored);
        double const norm = to_float(stored);
        auto const inverse = norm > 0 ? static_cast<float>(root_of_dim / norm) : 0.0F;
        for (std::uint64_t first = 0; first < page.dim; first += together) {
            auto const now = page.dim - first < together ? page.dim - first : together;
            copy_finite(page.values + first, now, most, finite);
            for (auto i = now; i < together; ++i) finite[i] = 0;
            std::uint8_t codes[pairs_at_a_time];
            nearest(finite, inverse, codes);
            pack_codes(code_bits, codes, (now + 1) / 2, to[0] + first / 2 * code_bits / 8);
        }
    }
    /// The nearest point has the largest product with the pair, less half of its own squared length; of equals the first.
    KOKKOS_INLINE_FUNCTION void nearest(float const* values, float factor, std::uint8_t* codes) const {
        float x[pairs_at_a_time];
        float y[pairs_at_a_time];
        float best[pairs_at_a_time];
        std::int32_t found[pairs_at_a_time];
        for (std::uint64_t i = 0; i < pairs_at_a_time; ++i) {
            x[i] = values[2 * i] * factor;
            y[i] = values[2 * i + 1] * factor;
            best[i] = -INFINITY;
            found[i] = 0;
        }
        auto const n = static_cast<std::int32_t>(count());
        for (std::int32_t k = 0; k < n; ++k) {
            float const of_x = points[k];
            float const of_y = points[n + k];
            float const half = points[2 * n + k];
            for (std::uint64_t i = 0; i < pairs_at_a_time; ++i) {
                float const score = of_x * x[i] + of_y * y[i] - half;
                bool const better = score > best[i];
                best[i] = better ? score : best[i];
                found[i] = better ? k : found[i];
            }
        }
        for (std::uint64_t i = 0; i < pairs_at_a_time; ++i) codes[i] = static_cast<std::uint8_t>(found[i]);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const factor = static_cast<float>(static_cast<double>(to_float(get_as<Float16>(from[1]))) / root_of_dim);
        constexpr auto together = 2 * pairs_at_a_time;
        for (std::uint64_t first = 0; first < page.dim; first += together) {
            auto const now = page.dim - first < together ? page.dim - first : together;
            std::uint8_t codes[pairs_at_a_time];
            unpack_codes(code_bits, from[0] + first / 2 * code_bits / 8, (now + 1) / 2, codes);
            for (std::uint64_t i = 0; i < now; ++i) {
                auto const point = codes[i / 2] + i % 2 * count();
                page.values[first + i] = nearest_element<T>(points[point] * factor);
            }
        }
    }
};

class Higgs : public Quantiser {
  public:
    static StageInfo info();
    explicit Higgs(Options const& options)
        : code_bits_(2 * static_cast<unsigned>(options.integer("bits"))), points_(gaussian_grid(code_bits_)) {
        for (std::size_t k = 0; k < std::size_t{1} << code_bits_; ++k) {
            auto const x = points_[k];
            auto const y = points_[(std::size_t{1} << code_bits_) + k];
            points_.push_back((x * x + y * y) / 2);
        }
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const vectors = section.shape.vectors();
        auto const row = row_bytes(section);
        return {{LedgerLine::payload, vectors * row, false, 1, row},
                {LedgerLine::scales, vectors * sizeof(Float16), false, sizeof(Float16), 1}};
    }
    std::size_t workspace_bytes(Section const&) const { return points_.size() * sizeof(float); }
    double nominal_bits(Section const&) const { return code_bits_ / 2.0; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        std::array<PagePlane<std::byte>, 2> const pages{
            {{planes[0].data, row_bytes(section), 0}, {planes[1].data, sizeof(Float16), 0}}};
        encode_pages(space, values, 1, pages, kernel<Space>(section, workspace));
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values,
                Workspace workspace) const {
        std::array<PagePlane<std::byte const>, 2> const pages{
            {{planes[0].data, row_bytes(section), 0}, {planes[1].data, sizeof(Float16), 0}}};
        decode_pages(space, pages, 1, values, kernel<Space>(section, workspace));
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    std::uint64_t row_bytes(Section const& section) const {
        return packed_bytes((section.shape.dim + 1) / 2, code_bits_);
    }
    template <class Space>
    PlanePoints kernel(Section const& section, Workspace workspace) const {
        copy_to_backend(backend_of<Space>, workspace, reinterpret_cast<std::byte const*>(points_.data()),
                        points_.size() * sizeof(float));
        return {code_bits_, reinterpret_cast<float const*>(workspace),
                std::sqrt(static_cast<double>(section.shape.dim))};
    }

    unsigned code_bits_;
    std::vector<float> points_;
};

StageInfo Higgs::info() {
    StageInfo info;
    info.name = "higgs";
    info.summary = "pairs of values as points of the plane's best grid for normal values, below each vector's norm";
    info.source = "HIGGS (Malinovskii et al. 2024), section 4, with grids computed anew; AQUA-KV (Shutova et al. 2025)";
    info.non_finite = NonFinite::mixed;
    info.engines = {{.differs = "no engine has it"}};
    info.options = {integer_option("bits", std::nullopt, 2, 4, "of a value: a pair has a code of twice as many")};
    info.examples = {"hadamard | higgs:bits=4", "higgs:bits=2", "higgs:bits=3"};
    info.side_bits = {0.25, "an fp16 norm for each vector of 64 values"};
    return info;
}

void Higgs::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    auto const root = std::sqrt(static_cast<double>(dim));
    std::vector<float> finite(dim + dim % 2, 0.0F);
    for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
        copy_finite(values + first, dim, largest_magnitude(values + first, dim), finite.data());
        double squares = 0;
        for (std::uint64_t i = 0; i < dim; ++i) squares += static_cast<double>(finite[i]) * finite[i];
        double const coded = to_float(stored_norm(squares)) / root;
        for (std::uint64_t i = 0; i < dim; i += 2) {
            auto const u = coded > 0 ? finite[i] / coded : 0;
            auto const v = coded > 0 ? finite[i + 1] / coded : 0;
            double least = INFINITY;
            for (std::size_t k = 0; k < std::size_t{1} << code_bits_; ++k) {
                auto const x = u - points_[k];
                auto const y = v - points_[(std::size_t{1} << code_bits_) + k];
                least = std::min(least, x * x + y * y);
            }
            // A norm next to a half's middle may be rounded the other way, and rounding may take a point for the nearest.
            auto const reach = 4 + std::hypot(u, v);
            auto const beyond = std::sqrt(least + std::ldexp(reach * reach, -20)) + std::ldexp(reach, -10);
            for (auto j = i; j < std::min(i + 2, dim); ++j) {
                bounds[first + j] = coded > 0 ? beyond * coded : std::fabs(double{finite[j]}) + std::ldexp(1.0, -22);
            }
        }
    }
}

static Register<Higgs> const registered;

}  // namespace kvstone
