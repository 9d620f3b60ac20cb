// nf4: every value as one of 16 levels between minus and plus the largest magnitude of its block.
//
// Purpose    4 bits whose levels are the quantiles of a normal distribution, so that each code is about equally frequent
//            in blocks of weights, keys or values; with scales that cost an eighth of a bit.
// Source     Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", NeurIPS 2023, section 3 (4-bit NormalFloat
//            and double quantisation) and appendix E (the levels).
// Blocks     `block` consecutive values of a vector, the last one of a vector may be shorter. A superblock is the blocks
//            of as many consecutive whole tokens of a layer and head as have at most 256 of them; a vector of more is cut
//            into superblocks of 256 blocks, the last one may be shorter.
// Planes     payload: two codes a byte, the earlier one in the low half; each vector from a byte of its own, in [layer,
//                     head, token] order
//            scales:  one a block in [layer, head, token, block] order: f32, fp16 or one byte of log8 (see scales.hpp)
//                     scale=double: one byte q a block in the same order, and a second plane of scales with one f32 a
//                     superblock in [layer, head, superblock] order: t, the largest a of the superblock over 255
//            Code k stands for level k, from -1 (0) by 0 (7) to 1 (15), times a: the block's largest magnitude, as
//            stored; with scale=double q t, q = floor(a / t + 1/2), at most 255.
//            Codes are of the level nearest to x / a, the lower one of two; with scale=double, a is taken before it is
//            coded, as in QLoRA. As f32, a is at least 2^-126.
// Options    block=N  a multiple of 8
//            scale=double|fp32|fp16|log8
// Example    1, -1, 0.5, 0: codes 15, 0, 12 (0.5 is nearer to .4407 than to .5626), 7: payload 0f 7c
//            scale=double: q = ff, t = 1/255: 81 80 80 3b; fp32: 00 00 80 3f; fp16: 00 3c; log8: c0
// Error      half the distance between the levels next to x times a, or the distance to a beyond it; with scale=double
//            that with a before it is coded, and the level times the difference of q t from a.
// Saturation a beyond the range of its format is stored as the largest (fp16: 65504, log8: 2^7.875). Decoded values
//            beyond the largest number of the tensor's type become that number.
// NaN, Inf, denormals: not part of the largest magnitude; Inf becomes the last level on its side, NaN 0. Denormals are
//            values as any other; blocks below the least scale become 0.

#include <algorithm>
#include <array>
#include <cmath>

#include "codecs/kernels/nf4_kernels.hpp"
#include "codecs/kernels/nf4_levels.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class Nf4 : public Quantiser {
  public:
    static StageInfo info();
    explicit Nf4(Options const& options)
        : block_(static_cast<std::uint64_t>(options.integer("block"))), double_(options.choice("scale") == "double") {
        // Scales that are coded are f32 before.
        format_ = double_ ? ScaleFormat::fp32 : scale_format_named(options.choice("scale"));
        if (block_ % 8 != 0) {
            throw ConfigError("blocks start at whole bytes", options.values().at("block"), {"a multiple of 8"});
        }
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const& shape = section.shape;
        Superblocks const superblocks(shape, block_);
        auto const of_vector = superblocks.blocks_of_vector * (double_ ? 1 : scale_bytes(format_));
        auto const row = packed_bytes(shape.dim, 4);
        auto const scale = static_cast<std::uint32_t>(double_ ? 1 : scale_bytes(format_));
        std::vector<PlaneSpec> specs{
            {LedgerLine::payload, shape.vectors() * row, false, 1, row},
            {LedgerLine::scales, shape.vectors() * of_vector, false, scale, superblocks.blocks_of_vector}};
        if (double_) {
            auto const steps = shape.layers * shape.heads * superblocks.pages_of_head * superblocks.of_page;
            specs.push_back({LedgerLine::scales, steps * sizeof(float), false, sizeof(float), 0});
        }
        return specs;
    }
    std::size_t workspace_bytes(Section const& section) const {
        auto const blocks = section.shape.vectors() * Superblocks(section.shape, block_).blocks_of_vector;
        return double_ ? blocks * sizeof(float) : 0;
    }
    std::uint64_t page_tokens(Section const& section) const {
        return double_ ? Superblocks(section.shape, block_).tokens : 1;
    }
    double nominal_bits(Section const&) const { return 4; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        auto* const scales = double_ ? workspace : planes[1].data;
        encode_blocks(space, values, planes[0].data, scales, operation(section, nullptr));
        if (double_) {
            encode_scales(space, section, reinterpret_cast<float const*>(workspace), planes[1].as<std::uint8_t>(),
                          planes[2].as<float>());
        }
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        auto const* const steps = double_ ? planes[2].as<float>() : nullptr;
        decode_blocks(space, planes, values, operation(section, steps));
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

    template <class Space, class T>
    void encode_blocks(Space const& space, KvSpan<T const> values, std::byte* payload, std::byte* scales,
                       NormalFloat const& code) const {
        encode_pages(space, values, coded_tokens, by_pages(values.shape, code, payload, scales, scale_bytes(format_)),
                     code);
    }
    template <class Space, class T>
    void decode_blocks(Space const& space, ConstPlanes planes, KvSpan<T> values, NormalFloat const& restore) const {
        auto const of_block = double_ ? 1 : scale_bytes(format_);
        decode_pages(space, by_pages(values.shape, restore, planes[0].data, planes[1].data, of_block), coded_tokens,
                     values, restore);
    }
    template <class Byte>
    static std::array<PagePlane<Byte>, 2> by_pages(KvShape const& shape, NormalFloat const& code, Byte* payload,
                                                   Byte* scales, std::uint64_t scale_bytes) {
        auto const row = packed_bytes(shape.dim, 4);
        auto const of_vector = code.superblocks.blocks_of_vector * scale_bytes;
        auto const tail = shape.tokens % coded_tokens;
        return {{{payload, coded_tokens * row, tail * row}, {scales, coded_tokens * of_vector, tail * of_vector}}};
    }
    template <class Space>
    void encode_scales(Space const& space, Section const& section, float const* scales, std::uint8_t* codes,
                       float* steps) const {
        Superblocks const superblocks(section.shape, block_);
        auto const pages = section.shape.layers * section.shape.heads * superblocks.pages_of_head;
        auto const tokens = section.shape.tokens;
        auto const code = KOKKOS_LAMBDA(std::int64_t const index) {
            auto const page = static_cast<std::uint64_t>(index) / superblocks.of_page;
            auto const head = page / superblocks.pages_of_head;
            auto const token = page % superblocks.pages_of_head * superblocks.tokens;
            auto const of_page = superblocks.tokens < tokens - token ? superblocks.tokens : tokens - token;
            auto const begin = static_cast<std::uint64_t>(index) % superblocks.of_page * blocks_of_superblock;
            auto const left = of_page * superblocks.blocks_of_vector - begin;
            auto const first = (head * tokens + token) * superblocks.blocks_of_vector + begin;
            auto const count = left < blocks_of_superblock ? left : blocks_of_superblock;
            steps[index] = code_scales(scales + first, count, codes + first);
        };
        auto const count = static_cast<std::int64_t>(pages * superblocks.of_page);
        if constexpr (runs_on_host<Space>) {
            host_for(space, "nf4_scales", count, code);
        } else {
            Kokkos::parallel_for("nf4_scales", Kokkos::RangePolicy<Space>(space, 0, count), code);
        }
    }

  private:
    NormalFloat operation(Section const& section, float const* steps) const {
        float thresholds[15];
        for (unsigned k = 0; k < std::size(thresholds); ++k) {
            thresholds[k] = static_cast<float>((double{nf4_level(k)} + double{nf4_level(k + 1)}) / 2);
        }
        NormalFloat made{{},     {thresholds, std::size(thresholds)}, format_,
                         block_, Superblocks(section.shape, block_),  steps};
        for (unsigned k = 0; k < std::size(made.levels); ++k) made.levels[k] = nf4_level(k);
        return made;
    }

    std::uint64_t block_;
    bool double_;
    ScaleFormat format_;
};

StageInfo Nf4::info() {
    StageInfo info;
    info.name = "nf4";
    info.summary = "16 quantiles of the normal distribution, scaled by each block's largest magnitude";
    info.source = "QLoRA (Dettmers et al., NeurIPS 2023), section 3 and appendix E";
    info.non_finite = NonFinite::saturated;
    info.engines = {{.vllm = {"int4_per_token_head"},
                     .llama_cpp = {"iq4_nl"},
                     .differs =
                         "levels are not those of NF4: vLLM has even steps of a token and head, llama.cpp's iq4_nl "
                         "its own 16 levels in blocks of 32 with an f16 scale"}};
    info.options = {
        integer_option("block", 64, 8, 4096, "values that share a scale, a multiple of 8"),
        choice_option("scale", "double", {"double", "fp32", "fp16", "log8"},
                      "how scales are stored; double: 8 bits, and f32 for each 256"),
    };
    info.examples = {"nf4", "nf4:scale=log8", "nf4:scale=fp32", "nf4:block=32,scale=fp16", "nf4:block=24"};
    info.side_bits = {0.5, "with scale=fp32: a scale for each 64 values"};
    return info;
}

void Nf4::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const& shape = section.shape;
    Superblocks const superblocks(shape, block_);
    auto const of_vector = superblocks.blocks_of_vector;
    // Scales before and after coding, in the order of blocks.
    std::vector<float> coded(shape.vectors() * of_vector);
    for (std::uint64_t i = 0; i < coded.size(); ++i) {
        auto const first = i % of_vector * block_;
        std::byte place[4];
        auto const largest =
            largest_magnitude(values + i / of_vector * shape.dim + first, std::min(block_, shape.dim - first));
        coded[i] = store_scale(format_, largest, place);
    }
    auto stored = coded;
    if (double_) {
        auto const of_head = shape.tokens * of_vector;
        auto const of_page = superblocks.tokens * of_vector;
        for (std::uint64_t begin = 0; begin < coded.size();) {
            // A superblock ends after 256 blocks, with its page or with its head.
            auto const in_head = begin % of_head;
            auto const in_page = in_head % of_page;
            auto const count = std::min({blocks_of_superblock, of_page - in_page, of_head - in_head});
            std::uint8_t codes[blocks_of_superblock];
            auto const step = code_scales(coded.data() + begin, count, codes);
            for (std::uint64_t b = 0; b < count; ++b) stored[begin + b] = static_cast<float>(codes[b]) * step;
            begin += count;
        }
    }
    std::array<float, 16> levels{};
    for (unsigned k = 0; k < levels.size(); ++k) levels[k] = nf4_level(k);
    for (std::uint64_t i = 0; i < shape.values(); ++i) {
        auto const block = i / shape.dim * of_vector + i % shape.dim / block_;
        double const x = values[i];
        double const a = coded[block];
        auto const above = std::ranges::upper_bound(levels, a > 0 ? x / a : 0);
        double const low = above == levels.begin() ? -1 : *(above - 1);
        double const high = above == levels.end() ? 1 : *above;
        auto const level = std::max(std::fabs(low), std::fabs(high));
        auto const beyond = std::max(0.0, std::fabs(x) - a);
        bounds[i] = (high - low) / 2 * a + beyond + level * std::fabs(stored[block] - a) +
                    std::ldexp(std::fabs(x) + a, -20) + std::ldexp(1.0, -148);
    }
}

static Register<Nf4> const registered;

}  // namespace kvstone
