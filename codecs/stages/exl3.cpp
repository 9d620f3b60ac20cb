// exl3: blocks of 32 values, rotated, in even steps up to the block's largest magnitude.
//
// Purpose    the form of ExLlamaV3's quantised cache, 2 to 8 bits for K and V apart: an outlier is spread over its
//            block before the block's largest magnitude sets the step.
// Source     ExLlamaV3 (github.com/turboderp-org/exllamav3), exllamav3_ext/cache/q_cache_kernels.cuh, as shipped, without
//            its compander; there is no paper. There a group is 32 values of all heads of a token side by side, and bits
//            lie in planes; here a block lies within a head, and codes are packed as everywhere else. Sizes and values
//            are the same where the head dimension is a multiple of 32.
// Blocks     of n = 32 consecutive values of a vector; the rest of it is cut into the largest powers of two that fit:
//            80 = 32 + 32 + 16, and 1 is a block of itself. (ExLlamaV3 takes multiples of 32 alone.)
// Planes     payload: b-bit codes (see bit_packing.hpp), each vector from a byte of its own
//            scales:  s as binary16, one a block
//            Both in [layer, head, token] order.
// Codes      y = H x / sqrt(n) with Sylvester's H, s = max |y|, q = floor(2^(b-1) (y / s + 1)), at most 2^b - 1;
//            y' = s ((2 q + 1) / 2^b - 1), x' = H y' / sqrt(n). y is divided by s before s is rounded to binary16.
// Options    bits=b
// Example    bits=2, (1, 2, 3, 4): y = (5, -1, -2, 0), s = 5, q = 3, 1, 1, 2: payload 97, scales 00 45; decoded:
//            1.25, 1.25, 1.25, 3.75
// Error      of each y: s / 2^b, and the error of rounding s, 2^-11 s (2^-25 at the least; beyond 65504 the excess over
//            it); of each x: that times sqrt(n), and 2^-20 sqrt(n) s from the arithmetic.
// Saturation s beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become that
//            number.
// NaN, Inf, denormals: NaN counts as 0, Inf as the block's largest finite magnitude with its sign. Denormals are
//            values as any other; an s that binary16 rounds to 0 leaves 0.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/walsh_hadamard.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/finite_values.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Payload and scales of a page of tokens.
struct RotatedBlocks {
    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr std::uint64_t block = 32;
    /// Values whose codes are packed together: whole blocks but for the end of a vector.
    static constexpr std::uint64_t part = 256;

    static constexpr float ones[block] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    unsigned bits;

    /// Blocks of a vector.
    KOKKOS_INLINE_FUNCTION static std::uint64_t of_vector(std::uint64_t dim) {
        return dim / block + static_cast<std::uint64_t>(Kokkos::popcount(dim % block));
    }
    /// 1 / sqrt(n) of a block of n values.
    KOKKOS_INLINE_FUNCTION static float inverse_root(std::uint64_t n) {
        constexpr float roots[6] = {1.0F, 0.70710678F, 0.5F, 0.35355339F, 0.25F, 0.17677670F};
        return roots[Kokkos::countr_zero(n)];
    }
    /// values = H values, sums and differences alone: exact for small whole numbers.
    KOKKOS_INLINE_FUNCTION static void transform(float* values, std::uint64_t n) {
        KOKKOS_IF_ON_HOST(
            (if (n >= 16) return transform_vectors({values, values, n, n, 1, n, false}, {n, ones, ones});))
        for (std::uint64_t step = 1; step < n; step *= 2) {
            for (std::uint64_t pair = 0; pair < n / 2; ++pair) {
                auto const i = pair / step * 2 * step + pair % step;
                float const low = values[i];
                values[i] = low + values[i + step];
                values[i + step] = low - values[i + step];
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        auto* scales = to[1];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto* const row = to[0] + t * packed_bytes(page.dim, bits);
            for (std::uint64_t first = 0; first < page.dim; first += part) {
                auto const count = page.dim - first < part ? page.dim - first : part;
                std::uint8_t codes[part];
                for (std::uint64_t b = 0, n = 0; b < count; b += n, scales += sizeof(Float16)) {
                    n = hadamard_block(b, count, block);
                    encode_block(page.vector(t) + first + b, n, codes + b, scales);
                }
                pack_codes(bits, codes, count, row + first * bits / 8);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const* scales = from[1];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const* const row = from[0] + t * packed_bytes(page.dim, bits);
            for (std::uint64_t first = 0; first < page.dim; first += part) {
                auto const count = page.dim - first < part ? page.dim - first : part;
                std::uint8_t codes[part];
                unpack_codes(bits, row + first * bits / 8, count, codes);
                for (std::uint64_t b = 0, n = 0; b < count; b += n, scales += sizeof(Float16)) {
                    n = hadamard_block(b, count, block);
                    decode_block(codes + b, n, scales, page.vector(t) + first + b);
                }
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void encode_block(T const* values, std::uint64_t n, std::uint8_t* codes,
                                             std::byte* scale) const {
        float rotated[block];
        // Sums of 32 such values are finite. Scales end far below.
        auto const most = largest_magnitude(values, n);
        copy_finite(values, n, most < 0x1p120F ? most : 0x1p120F, rotated);
        transform(rotated, n);
        float const root = inverse_root(n);
        for (std::uint64_t i = 0; i < n; ++i) rotated[i] *= root;
        float const largest = largest_magnitude(rotated, n);
        put_as(scale, saturated_half(largest));
        float const inverse = largest > 0x1p-100F ? 1.0F / largest : 0.0F;
        auto const half = static_cast<float>(1U << (bits - 1));
        float const last = 2 * half - 1;
        for (std::uint64_t i = 0; i < n; ++i) {
            float place = rotated[i] * inverse * half + half;
            place = place > 0.0F ? place : 0.0F;
            place = place < last ? place : last;
            codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(place));
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void decode_block(std::uint8_t const* codes, std::uint64_t n, std::byte const* scale,
                                             T* values) const {
        float sums[block];
        auto const levels = static_cast<std::int32_t>(1U << bits);
        for (std::uint64_t i = 0; i < n; ++i) sums[i] = static_cast<float>(2 * std::int32_t{codes[i]} + 1 - levels);
        transform(sums, n);
        float const factor = to_float(get_as<Float16>(scale)) * (inverse_root(n) / static_cast<float>(levels));
        for (std::uint64_t i = 0; i < n; ++i) values[i] = nearest_element<T>(sums[i] * factor);
    }
};

class Exl3 : public Quantiser {
  public:
    static StageInfo info();
    explicit Exl3(Options const& options) : blocks_{static_cast<unsigned>(options.integer("bits"))} {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const vectors = section.shape.vectors();
        auto const row = packed_bytes(section.shape.dim, blocks_.bits);
        auto const of_vector = RotatedBlocks::of_vector(section.shape.dim);
        return {{LedgerLine::payload, vectors * row, false, 1, row},
                {LedgerLine::scales, vectors * of_vector * sizeof(Float16), false, sizeof(Float16), of_vector}};
    }
    double nominal_bits(Section const&) const { return blocks_.bits; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        encode_pages(space, values, RotatedBlocks::tokens_at_a_time, by_pages<std::byte>(values.shape, planes),
                     blocks_);
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        decode_pages(space, by_pages<std::byte const>(values.shape, planes), RotatedBlocks::tokens_at_a_time, values,
                     blocks_);
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 2> by_pages(KvShape const& shape, AnyPlanes planes) const {
        constexpr auto tokens = RotatedBlocks::tokens_at_a_time;
        auto const left = shape.tokens % tokens;
        auto const row = packed_bytes(shape.dim, blocks_.bits);
        auto const scales = RotatedBlocks::of_vector(shape.dim) * sizeof(Float16);
        return {{{planes[0].data, tokens * row, left * row}, {planes[1].data, tokens * scales, left * scales}}};
    }

    RotatedBlocks blocks_;
};

StageInfo Exl3::info() {
    StageInfo info;
    info.name = "exl3";
    info.summary = "ExLlamaV3's cache: blocks of 32 rotated values in even steps up to the largest";
    info.source = "ExLlamaV3, q_cache_kernels.cuh, as shipped";
    info.non_finite = NonFinite::mixed;
    info.engines = {{.differs = "of ExLlamaV3 (its quantised cache, bits of K and V apart): no engine named here has "
                                "it; llama.cpp rotates more values, then codes blocks of 32 in steps of its own"}};
    info.options = {integer_option("bits", std::nullopt, 2, 8, "bits of a code")};
    info.examples = {"exl3:bits=4", "exl3:bits=2", "exl3:bits=3", "exl3:bits=8"};
    info.side_bits = {0.5, "an fp16 scale for each 32 values"};
    return info;
}

void Exl3::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    auto const bound_block = [&](float const* x, std::uint64_t n, double* bound) {
        std::array<double, RotatedBlocks::block> rotated{};
        double const most = largest_magnitude(x, n);
        for (std::uint64_t i = 0; i < n; ++i) {
            double const value = std::isnan(x[i]) ? 0 : std::clamp(static_cast<double>(x[i]), -most, most);
            for (std::uint64_t j = 0; j < n; ++j) rotated[j] += std::popcount(i & j) % 2 == 0 ? value : -value;
        }
        auto const root = std::sqrt(static_cast<double>(n));
        double largest = 0;
        for (auto const sum : rotated) largest = std::max(largest, std::fabs(sum) / root);
        auto const rounding = std::max(std::ldexp(std::min(largest, 65504.0), -11), std::ldexp(1.0, -25));
        auto const each = std::ldexp(largest, -static_cast<int>(blocks_.bits)) + rounding +
                          std::max(0.0, largest - 65504) + std::ldexp(largest, -20);
        for (std::uint64_t i = 0; i < n; ++i) bound[i] = root * each;
    };
    for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
        for (std::uint64_t c = 0, n = 0; c < dim; c += n) {
            n = hadamard_block(c, dim, RotatedBlocks::block);
            bound_block(values + first + c, n, bounds + first + c);
        }
    }
}

static Register<Exl3> const registered;

}  // namespace kvstone
