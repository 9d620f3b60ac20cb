// blocknorm: blocks of a vector over their own range, the largest values kept by themselves.
//
// Purpose    a few values set the range of a block. With those stored apart, the others have finer steps.
// Source     block normalisation with the largest values of each block stored exactly; equation 1 of Jacob et al., CVPR
//            2018, for the rest.
// Blocks     N consecutive values of a vector, the last of which may have fewer: a vector shorter than N is one block. Of
//            n values the k = min(ceil(F n), n - 1) largest magnitudes are kept (a product within 1e-9 of a whole number is
//            that number), of equal ones those with the lowest index; NaN and Inf only where all others are kept.
// Planes     payload:  b-bit codes (see bit_packing.hpp) of the n - k others in order, each block from a byte of its own,
//            in [layer, head, token, block] order
//            scales:   s as binary16, one a block
//            outliers: of each block k binary16 values in order of their index, then k indices, a byte each
// Codes      s = (1 + 2^-11) max |x| / m over the others, so that rounding s leaves them within the range,
//            m = 2^(b-1) - 1, q = round(x / s) in [-m, m] as b bits of two's complement, x' = q s: symmetric codes of
//            uniform_grid.hpp. Values kept are rounded to binary16, within +-65504.
// Options    bits=b, block=N, topk=F
// Example    blocknorm:bits=4,block=4,topk=0.25, f32 1, -8, 7, -3.5 and 2: k = 1, s = 1, q = 1, 7, -4 (a tie); then n = 1,
//            k = 0, s = 2/7 (1.1436 x 2^-2 as binary16), q = 7. payload 71 0c 07, scales 00 3c 93 34, outliers 00 c8 01
// Error      of a kept value 2^-11 of its magnitude (2^-25 at the least; beyond 65504 the excess over it); of the others
//            s/2, beyond the last code m s that and the distance to it, and 2^-20 m s from the arithmetic.
// Saturation s beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become that
//            number.
// NaN, Inf, denormals: NaN becomes 0, Inf the last code on its side (where kept, 65504); denormals are values as any other.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/uniform_grid.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// How a vector is cut.
struct NormBlocks {
    std::uint64_t size;
    double kept_share;

    /// Of a block of n values.
    std::uint64_t kept(std::uint64_t n) const {
        auto const count = std::ceil(kept_share * static_cast<double>(n) - 1e-9);
        return n == 0 ? 0 : std::min(static_cast<std::uint64_t>(std::max(count, 0.0)), n - 1);
    }
};

/// Planes of a page of tokens: payload, scales, outliers.
template <class Code>
struct BlockNorm {
    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr std::uint64_t most_values = 256;
    static constexpr std::uint64_t most_kept = 64;

    UniformGrid grid;
    std::uint64_t size;
    std::uint64_t kept;  ///< of a full block
    std::uint64_t tail_kept;

    KOKKOS_INLINE_FUNCTION std::uint64_t kept_of(std::uint64_t n) const { return n == size ? kept : tail_kept; }
    KOKKOS_INLINE_FUNCTION std::uint64_t payload_of(std::uint64_t n) const {
        return packed_bytes(n - kept_of(n), grid.bits);
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t outliers_of(std::uint64_t n) const { return kept_of(n) * 3; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 3> to) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                encode_block(page.vector(t) + first, n, to);
                to[0] += payload_of(n);
                to[1] += sizeof(Float16);
                to[2] += outliers_of(n);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 3> from, Page<T> const& page) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                decode_block(from, n, page.vector(t) + first);
                from[0] += payload_of(n);
                from[1] += sizeof(Float16);
                from[2] += outliers_of(n);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void encode_block(T const* values, std::uint64_t n,
                                             std::array<std::byte*, 3> const& to) const {
        auto const k = kept_of(n);
        std::uint64_t places[most_kept];
        find_largest(values, n, k, places);
        float others[most_values];
        std::uint64_t done = 0;
        std::uint64_t from = 0;
        for (std::uint64_t j = 0; j <= k; ++j) {
            auto const end = j < k ? places[j] : n;
            for (; from < end; ++from) others[done++] = to_float(values[from]);
            if (j == k) break;
            float const value = to_float(values[from]);
            put_as(to[2] + j * sizeof(Float16), saturated_half(value == value ? value : 0.0F));
            to[2][k * sizeof(Float16) + j] = static_cast<std::byte>(from);
            ++from;
        }
        float least = 0;
        float most = 0;
        grid.range(others, done, least, most);
        most = widened(most);
        least = -most;
        GridSteps<1> steps;
        grid.store(&least, &most, 1, to[1], nullptr, steps);
        Code codes[most_values];
        grid.template quantise<false>(others, done, steps.zero, steps.inverse, codes);
        pack_codes(grid.bits, codes, done, to[0]);
    }

    /// A range that binary16 does not round to less.
    KOKKOS_INLINE_FUNCTION static float widened(float most) { return most < 0x1p126F ? most * (1 + 0x1p-11F) : most; }

    /// Indices of the k largest finite magnitudes, ascending.
    template <class T>
    KOKKOS_INLINE_FUNCTION static void find_largest(T const* __restrict__ values, std::uint64_t n, std::uint64_t k,
                                                    std::uint64_t* places) {
        if (k == 0) return;
        std::int32_t keys[most_values];
        for (std::uint64_t i = 0; i < n; ++i) {
            auto const magnitude = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            keys[i] = magnitude < 0x7f800000 ? magnitude : -1;
        }
        for (std::uint64_t j = 0; j < k; ++j) {
            auto largest = INT32_MIN;
            for (std::uint64_t i = 0; i < n; ++i) largest = keys[i] > largest ? keys[i] : largest;
            // The first one, found in a loop that looks at all: it vectorises.
            std::int32_t first = most_values;
            for (std::int32_t i = 0; i < static_cast<std::int32_t>(n); ++i) {
                auto const place = keys[i] == largest ? i : static_cast<std::int32_t>(most_values);
                first = place < first ? place : first;
            }
            keys[first] = INT32_MIN;
            auto const place = static_cast<std::uint64_t>(first);
            auto at = j;
            for (; at > 0 && places[at - 1] > place; --at) places[at] = places[at - 1];
            places[at] = place;
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void decode_block(std::array<std::byte const*, 3> const& from, std::uint64_t n,
                                             T* values) const {
        auto const k = kept_of(n);
        Code codes[most_values];
        unpack_codes(grid.bits, from[0], n - k, codes);
        GridSteps<1> steps;
        grid.load(1, from[1], nullptr, steps);
        float others[most_values];
        grid.template restore<false>(codes, n - k, steps.zero, steps.scale, others);
        std::uint64_t done = 0;
        std::uint64_t to = 0;
        for (std::uint64_t j = 0; j <= k; ++j) {
            // Whatever the index, as many places are left as there are outliers to come.
            std::uint64_t end = j < k ? static_cast<std::uint64_t>(from[2][k * sizeof(Float16) + j]) : n;
            end = end < to ? to : end;
            end = end > n - (k - j) ? n - (k - j) : end;
            for (; to < end; ++to) values[to] = nearest_element<T>(others[done++]);
            if (j < k) values[to++] = nearest_element<T>(to_float(get_as<Float16>(from[2] + j * sizeof(Float16))));
        }
    }
};

class BlockNormQuantiser : public Quantiser {
  public:
    static StageInfo info();
    explicit BlockNormQuantiser(Options const& options)
        : grid_{static_cast<unsigned>(options.integer("bits")), true, ScaleFormat::fp16},
          blocks_{static_cast<std::uint64_t>(options.integer("block")), options.number("topk")} {}

    std::vector<PlaneSpec> planes(Section const& section) const;
    double nominal_bits(Section const&) const { return grid_.bits; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        with_code_type(grid_.bits, [&]<class Code>(Code) { encode_codes<Code>(space, section, values, planes); });
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        with_code_type(grid_.bits, [&]<class Code>(Code) { decode_codes<Code>(space, section, planes, values); });
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    template <class Code>
    BlockNorm<Code> kernel(std::uint64_t dim) const {
        return {grid_, blocks_.size, blocks_.kept(blocks_.size), blocks_.kept(dim % blocks_.size)};
    }
    /// Bytes of a vector in each plane.
    std::array<std::uint64_t, 3> of_vector(std::uint64_t dim) const {
        auto const cut = kernel<std::uint8_t>(dim);
        auto const full = dim / blocks_.size;
        auto const tail = dim % blocks_.size;
        auto const tails = std::uint64_t{tail > 0};
        return {full * cut.payload_of(blocks_.size) + tails * cut.payload_of(tail), (full + tails) * sizeof(Float16),
                full * cut.outliers_of(blocks_.size) + tails * cut.outliers_of(tail)};
    }
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 3> by_pages(KvShape const& shape, AnyPlanes planes) const {
        constexpr auto tokens = BlockNorm<std::uint8_t>::tokens_at_a_time;
        auto const left = shape.tokens % tokens;
        auto const bytes = of_vector(shape.dim);
        return {{{planes[0].data, tokens * bytes[0], left * bytes[0]},
                 {planes[1].data, tokens * bytes[1], left * bytes[1]},
                 {planes[2].data, tokens * bytes[2], left * bytes[2]}}};
    }
    template <class Code, class Space, class T>
    void encode_codes(Space const& space, Section const& section, KvSpan<T const> values, Planes planes) const {
        auto const op = kernel<Code>(section.shape.dim);
        encode_pages(space, values, op.tokens_at_a_time, by_pages<std::byte>(section.shape, planes), op);
    }
    template <class Code, class Space, class T>
    void decode_codes(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values) const {
        auto const op = kernel<Code>(section.shape.dim);
        decode_pages(space, by_pages<std::byte const>(section.shape, planes), op.tokens_at_a_time, values, op);
    }

    UniformGrid grid_;
    NormBlocks blocks_;
};

StageInfo BlockNormQuantiser::info() {
    StageInfo info;
    info.name = "blocknorm";
    info.summary = "b-bit integers in blocks of a vector, the largest values kept by themselves";
    info.source = "block normalisation with exact largest values; Jacob et al., CVPR 2018, equation 1";
    info.non_finite = NonFinite::saturated;
    info.engines = {{.differs = "of studies: no engine has it"}};
    info.options = {
        integer_option("bits", std::nullopt, 2, 12, "bits of a code"),
        integer_option("block", 128, 4, 256, "values of a block"),
        number_option("topk", 0.02, 0, 0.25, false, "share of a block's values that is kept"),
    };
    info.examples = {"blocknorm:bits=10", "blocknorm:bits=8", "blocknorm:bits=4,block=32,topk=0.05",
                     "blocknorm:bits=3,block=256,topk=0.25", "blocknorm:bits=12,block=64,topk=0"};
    info.side_bits = {5.5, "with topk=0.25 of 64 values: 16 of them as 24 bits instead of 3, and an fp16 scale"};
    return info;
}

std::vector<PlaneSpec> BlockNormQuantiser::planes(Section const& section) const {
    auto const bytes = of_vector(section.shape.dim);
    auto const vectors = section.shape.vectors();
    std::vector<PlaneSpec> specs{
        {LedgerLine::payload, vectors * bytes[0], false, 1, bytes[0]},
        {LedgerLine::scales, vectors * bytes[1], false, sizeof(Float16), 0},
        {LedgerLine::outliers, vectors * bytes[2], false, 1, bytes[2]},
    };
    return specs;
}

void BlockNormQuantiser::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    auto const bound_block = [&](float const* block, std::uint64_t n, double* bound) {
        std::vector<std::uint64_t> order(n);
        std::iota(order.begin(), order.end(), 0);
        auto const rank = [&](auto i) { return std::isfinite(block[i]) ? std::fabs(block[i]) : -1.0F; };
        std::ranges::stable_sort(order, [&](auto i, auto j) { return rank(i) > rank(j); });
        auto const k = blocks_.kept(n);
        float const largest = k < n ? std::max(rank(order[k]), 0.0F) : 0.0F;
        std::byte scale[4];
        GridSteps<1> steps;
        float const most = BlockNorm<std::uint8_t>::widened(largest);
        float const least = -most;
        grid_.store(&least, &most, 1, scale, nullptr, steps);
        double const step = steps.scale[0];
        double const end = grid_.high() * step;
        for (std::uint64_t place = 0; place < n; ++place) {
            auto const i = order[place];
            auto const magnitude = std::fabs(double{block[i]});
            if (place < k) {
                bound[i] = std::max({std::ldexp(magnitude, -11), std::ldexp(1.0, -25), magnitude - 65504});
            } else {
                bound[i] = step / 2 + std::ldexp(end, -20) + std::max(0.0, magnitude - end);
            }
        }
    };
    for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
        for (std::uint64_t c = 0; c < dim; c += blocks_.size) {
            bound_block(values + first + c, std::min(blocks_.size, dim - c), bounds + first + c);
        }
    }
}

static Register<BlockNormQuantiser> const registered;

}  // namespace kvstone
