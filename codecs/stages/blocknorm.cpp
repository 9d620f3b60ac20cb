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
#include "codecs/kernels/block_norm.hpp"
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
