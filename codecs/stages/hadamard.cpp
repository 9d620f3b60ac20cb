// hadamard: every vector rotated, so that no channel is an outlier.
//
// Purpose    spreads outlier channels over all of a vector's channels before it is quantised: the maximum that sets the
//            step falls towards that of Gaussian values. QuaRot-style and TurboQuant-style pipelines start with it.
// Source     Ashkboos et al., "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", 2024, section 3 (randomised
//            Hadamard transform); signs from SplitMix64 (Steele, Lea, Flood 2014).
// Equation   y = H D x / sqrt(n) and back x = D H y / sqrt(n), for each block of n = 2^k values of a vector.
//            H: Sylvester's matrix of +1 and -1, entry (i, j) is -1 to the number of bits that i and j share.
//            D: signs of the vector's channels; channel c is flipped where the top bit of output c of SplitMix64 is set,
//            its state being `seed` at the start. All tokens, heads and layers have the same.
// Blocks     from the first channel on, each the largest power of two that fits into the rest of the vector, at most
//            1024: 128; 80 = 64 + 16; 96 = 64 + 32; 576 = 512 + 64. `block` lowers the most: 80 = 32 + 32 + 16.
// Planes     none: the signs follow from the seed.
// Options    seed=N     of the signs
//            block=N    the most values of a block, a power of two; 0 is 1024
// Example    seed 0, signs - + + -: 1, 2, 3, 4 -> D x = -1, 2, 3, -4 -> y = 0, 2, 1, -5; behind it `raw` stores
//            payload 00 00 00 00 00 00 00 40 00 00 80 3f 00 00 a0 c0
// Error      the quantiser's bounds, summed over the block, over sqrt(n), and (k + 3) 2^-23 of the block's Euclidean
//            norm for the arithmetic of both ways (n 2^-149 at the least); from where a norm reaches 2^128 none is given.
// NaN, Inf, denormals: one NaN or Inf makes its whole block NaN or Inf; denormals are values as any other.

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "backends/kernels/walsh_hadamard.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class Hadamard : public Transform {
  public:
    static constexpr bool in_parts = true;
    static StageInfo info() {
        StageInfo info;
        info.name = "hadamard";
        info.summary = "rotates every vector by a Hadamard matrix with random signs";
        info.source = "QuaRot (Ashkboos et al. 2024), section 3";
        info.engines = {
            {.differs = "llama.cpp alone rotates by itself (quantised types, head dimensions that are multiples of 64, "
                        "its own signs); vLLM and LMCache within turboquant presets"}};
        info.options = {
            integer_option("seed", 0, 0, 4294967295, "of the channels' signs"),
            integer_option("block", 0, 0, most_hadamard_values, "most values of a block, a power of two; 0 is 1024"),
        };
        info.examples = {"hadamard | int8", "hadamard | raw", "hadamard:seed=7,block=32 | fp16"};
        info.idle_bytes = {0.5, "rotating back rounds the lowest bits of a value away"};
        return info;
    }
    explicit Hadamard(Options const& options)
        : seed_(static_cast<std::uint64_t>(options.integer("seed"))),
          most_values_(static_cast<std::uint64_t>(options.integer("block"))) {
        if (most_values_ == 0) most_values_ = most_hadamard_values;
        if (!std::has_single_bit(most_values_)) {
            throw ConfigError(
                "hadamard takes blocks of a power of two", std::to_string(most_values_),
                {std::to_string(std::bit_floor(most_values_)), std::to_string(std::bit_ceil(most_values_))});
        }
    }

    std::vector<PlaneSpec> planes(Section const&) const { return {}; }
    std::size_t workspace_bytes(Section const& section) const { return 2 * section.shape.dim * sizeof(float); }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes,
                Workspace workspace) const {
        auto* const signed_scales = reinterpret_cast<float*>(workspace);
        auto* const ones = signed_scales + in.shape.dim;
        fill_rows(space, in.shape.dim, signed_scales, ones, true);
        walsh_hadamard(space, in, out, {most_values_, signed_scales, ones});
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes, KvSpan<float> values, Workspace workspace) const {
        auto* const scales = reinterpret_cast<float*>(workspace);
        auto* const signs = scales + values.shape.dim;
        fill_rows(space, values.shape.dim, scales, signs, false);
        walsh_hadamard(space, read_only(values), values, {most_values_, scales, signs});
    }

    void carry_bounds(Section const& section, float const* values, double* bounds) const;

    /// Scales come first, so that sums stay finite as long as their block's norm is; signs come where D stands.
    template <class Space>
    void fill_rows(Space const& space, std::uint64_t dim, float* before, float* after, bool signs_before) const {
        auto const seed = seed_;
        auto const most = most_values_;
        Kokkos::parallel_for(
            "hadamard_rows", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(dim)),
            KOKKOS_LAMBDA(std::int64_t const channel) {
                auto const c = static_cast<std::uint64_t>(channel);
                auto first = c / most * most;
                auto values = hadamard_block(first, dim, most);
                while (first + values <= c) {
                    first += values;
                    values = hadamard_block(first, dim, most);
                }
                float const sign = flipped(seed, c) ? -1.0F : 1.0F;
                auto const scale = static_cast<float>(1 / Kokkos::sqrt(static_cast<double>(values)));
                before[c] = signs_before ? sign * scale : scale;
                after[c] = signs_before ? 1.0F : sign;
            });
    }

  private:
    static KOKKOS_INLINE_FUNCTION bool flipped(std::uint64_t seed, std::uint64_t channel) {
        std::uint64_t bits = seed + (channel + 1) * 0x9e3779b97f4a7c15U;
        bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
        bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
        return (bits ^ bits >> 31) >> 63 != 0;
    }

    std::uint64_t seed_;
    std::uint64_t most_values_;
};

void Hadamard::carry_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    for (std::uint64_t vector = 0; vector < section.shape.vectors(); ++vector) {
        for (std::uint64_t first = 0, n = 0; first < dim; first += n) {
            n = hadamard_block(first, dim, most_values_);
            if (n == 1) continue;  // a sign
            auto const* const x = values + vector * dim + first;
            auto* const bound = bounds + vector * dim + first;
            double squares = 0;
            double bound_squares = 0;
            double sum = 0;
            for (std::uint64_t i = 0; i < n; ++i) {
                squares += static_cast<double>(x[i]) * x[i];
                bound_squares += bound[i] * bound[i];
                sum += bound[i];
            }
            // Each of the k steps and the scaling err by 2^-24 of the norm, and a rotation keeps norms.
            auto const size = static_cast<double>(n);
            auto const reach = std::sqrt(squares) + std::sqrt(bound_squares);
            auto const arithmetic = std::ldexp((std::log2(size) + 3) * reach, -23) + std::ldexp(size, -149);
            bool const finite = reach < FLT_MAX * 0.999;
            for (std::uint64_t i = 0; i < n; ++i) {
                bound[i] = finite ? sum / std::sqrt(size) + arithmetic : std::numeric_limits<double>::infinity();
            }
        }
    }
}

static Register<Hadamard> const registered;

}  // namespace kvstone
