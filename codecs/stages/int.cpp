// int: every value as a multiple of one step per tensor, layer, head, channel, token or group of these.
//
// Purpose    the uniform quantiser of KV caches in all its usual shapes: one scale for everything, a scale per channel of
//            K and per token of V (KIVI), per head or per layer. int8 is its oldest form: 8 bits, f32 scales, per tensor.
// Source     Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
//            Inference", CVPR 2018, equation 1; Liu et al., "KIVI", ICML 2024, section 3 (group-wise asymmetric, K per
//            channel in groups of tokens, V per token in groups of channels).
// Planes     payload: b-bit codes (see bit_packing.hpp), each vector from a byte of its own, in [layer, head, token] order
//            scales:  one a group, in the order of groups, as f32, f16 or one byte (see scales.hpp)
//            zeros:   one a group (asymmetric only), f32 beside f32 scales and else f16
//            Codes, steps and origins as in uniform_grid.hpp; f32 scales are at least 2^-126.
// Groups     axis=tensor  the section; layer, head: each layer, each head of a layer
//            axis=channel each channel of a head: over all tokens (group=0) or N consecutive ones (group=N, the last group
//                         of a section may be shorter); order [layer, head, page of tokens, channel]
//            axis=token   each vector: whole (group=0) or N consecutive channels (group=N, a multiple of 8; the last one
//                         may be shorter); order [layer, head, token, group]
// Options    clip=P    (tensor, layer, head) symmetric: max |x| is replaced by the P-quantile of |x|; asymmetric: min and
//                      max by the (1-P)/2- and (1+P)/2-quantiles of x. The p-quantile of n values is the ceil(p n)-th
//                      smallest.
//            samples=N (tensor, layer, head) the range comes from N values alone: with n values in packed order, those at
//                      floor(i n / N), i = 0..N-1; from all where n <= N or N is 0.
//            Values outside the range become its nearest end.
// Example    int8, f32 1.0, -2.0, 0.5, 127.0: payload 01 fe 00 7f, scales 00 00 80 3f (s = 1; 0.5 ties to even)
//            int8:scheme=asymmetric, f32 0.0, 255.0, 3.0: payload 00 ff 03, scales 00 00 80 3f, zeros 00 00 00 00
//            int:bits=4,axis=token, f32 7.0, -7.0, 1.0: payload 97 01 (codes 7, -7 = 9, 1), scales 00 3c
//            int:bits=3,scheme=asymmetric,axis=channel,group=2, f32 1.0 and 8.0 of one channel: payload 00 07 (a byte a
//            vector), scales 00 3c (s = 1), zeros 00 3c (z = 1)
// Error      s/2 within the range (plus rounding of the arithmetic, at most 2^-20 of its larger end), outside it that
//            and the distance to the range; s and z as stored: an f16 zero point may lie above the least value, and f16 s
//            and z lie within +-65504 (log8: s up to 2^7.875), so that a wider range is cut to theirs.
// Saturation decoded values beyond the largest number of the tensor's type become that number.
// NaN, Inf, denormals: Inf becomes the end of the range, NaN the code nearest to 0; denormals are values as any other.

#include "codecs/stages/int.hpp"

#include <algorithm>
#include <cmath>

#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

OptionSpec scheme_option() {
    return choice_option("scheme", "symmetric", {"symmetric", "asymmetric"}, "scale alone, or scale and zero point");
}
OptionSpec clip_option() { return number_option("clip", 1, 0.5, 1, true, "share of the values that the range holds"); }
OptionSpec samples_option() {
    return integer_option("samples", 0, 0, 1 << 20, "values the range is taken from, evenly spaced; 0 is all");
}

}  // namespace

/// By bits alone: what shares a scale is the difference.
std::vector<EngineSettings> nearest_integers() {
    std::string const scales = "scales: vLLM has one a token and head, llama.cpp one a block of 32 channels of a token";
    EngineSettings four{.vllm = {"int4_per_token_head", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_k8v4"},
                        .llama_cpp = {"q4_1"},
                        .differs = scales,
                        .options = {{"bits", "4"}}};
    // TurboQuant's presets have even steps for V alone: where K has them too, the first that both share is "none".
    EngineSettings three{
        .vllm = {"none", "turboquant_3bit_nc"},
        .differs = "V of a TurboQuant preset has them, with a scale and a least value a token and head",
        .options = {{"bits", "3"}}};
    four.lmcache = three.lmcache = {"none"};
    for (auto* settings : {&four, &three})
        for (auto const& preset : settings->vllm)
            if (preset.starts_with("turboquant")) settings->lmcache.push_back(turboquant_serde(preset));
    auto symmetric = four;
    symmetric.llama_cpp = {"q4_0"};
    symmetric.options["scheme"] = "symmetric";
    return {{.vllm = {"int8_per_token_head"}, .llama_cpp = {"q8_0"}, .differs = scales, .options = {{"bits", "8"}}},
            {.llama_cpp = {"q5_1"}, .differs = scales, .options = {{"bits", "5"}}},
            symmetric,
            four,
            three,
            {.differs = "no engine has integers of so many bits; HF transformers and LMDeploy have 2, 4 and 8"}};
}

StageInfo Int::info() {
    StageInfo info;
    info.name = "int";
    info.summary = "b-bit integers with a scale per tensor, layer, head, channel, token or group";
    info.source = "Jacob et al., CVPR 2018, equation 1; Liu et al., KIVI, ICML 2024, section 3";
    info.non_finite = NonFinite::saturated;
    info.engines = nearest_integers();
    info.options = {
        integer_option("bits", std::nullopt, 1, 12, "bits of a code"),
        scheme_option(),
        choice_option("axis", "tensor", {"tensor", "layer", "head", "channel", "token"},
                      "the values that share a scale"),
        integer_option("group", 0, 0, 4096, "tokens (axis=channel) or channels (axis=token) of a group; 0 is all"),
        clip_option(),
        samples_option(),
        scale_option(),
    };
    info.examples = {"int:bits=4,scheme=asymmetric,axis=token,group=32",
                     "int:bits=4,scheme=asymmetric,axis=channel,group=32",
                     "int:bits=2,scheme=asymmetric,axis=token,group=32",
                     "int:bits=2,scheme=asymmetric,axis=channel,group=32",
                     "int:bits=8,axis=token,group=32",
                     "int:bits=4,scheme=asymmetric,axis=token",
                     "int:bits=3,scheme=asymmetric,axis=token,group=64,scale=log8",
                     "int:bits=10",
                     "int:bits=12,axis=token",
                     "int:bits=1,scheme=asymmetric,axis=channel,group=8",
                     "int:bits=8,axis=head,scale=fp32",
                     "int:bits=6,scheme=asymmetric,axis=layer,clip=0.99",
                     "int:bits=5,axis=channel",
                     "int:bits=7,axis=channel,group=16,scale=fp32",
                     "int:bits=9,scheme=asymmetric,axis=channel,group=64,scale=log8",
                     "int:bits=11,axis=token,group=24",
                     "int:bits=10 | zstd"};
    info.side_bits = {4, "in groups of 8 values: an fp16 scale and an fp16 zero point for each"};
    return info;
}

Int::Int(Options const& options)
    : grid_{static_cast<unsigned>(options.integer("bits")), options.choice("scheme") == "symmetric",
            scale_format_named(options.choice("scale"))},
      group_(static_cast<std::uint64_t>(options.integer("group"))),
      clip_(options.number("clip")),
      samples_(static_cast<std::uint64_t>(options.integer("samples"))) {
    auto const& axis = options.choice("axis");
    axis_ = axis == "tensor"    ? Axis::tensor
            : axis == "layer"   ? Axis::layer
            : axis == "head"    ? Axis::head
            : axis == "channel" ? Axis::channel
                                : Axis::token;
    if (grid_.bits == 1 && grid_.symmetric) {
        throw ConfigError("one bit has no symmetric codes", "bits=1", {"scheme=asymmetric", "bits=2..12"});
    }
    if (group_ > 0 && shared()) {
        throw ConfigError("groups are of tokens or channels", "group", {"axis=channel", "axis=token"});
    }
    if (axis_ == Axis::token && group_ % 8 != 0) {
        throw ConfigError("groups of channels start at whole bytes", options.values().at("group"),
                          {"a multiple of 8", "0"});
    }
    if (!shared() && (clip_ < 1 || samples_ > 0)) {
        throw ConfigError("clip and samples are for ranges over many vectors", "axis=" + axis,
                          {"axis=tensor", "axis=layer", "axis=head"});
    }
}

std::uint64_t Int::groups(Section const& section) const {
    auto const& shape = section.shape;
    switch (axis_) {
        case Axis::tensor:
            return 1;
        case Axis::layer:
            return shape.layers;
        case Axis::head:
            return shape.layers * shape.heads;
        case Axis::channel: {
            auto const group = group_of(section);
            return shape.layers * shape.heads * ((shape.tokens + group - 1) / group) * shape.dim;
        }
        case Axis::token:
            break;
    }
    return shape.vectors() * groups_of_page(section);
}

std::vector<PlaneSpec> Int::planes(Section const& section) const {
    auto const row = packed_bytes(section.shape.dim, grid_.bits);
    auto const count = groups(section);
    auto const of_scale = scale_bytes(grid_.format);
    auto const of_zero = zero_bytes(grid_.format);
    std::vector<PlaneSpec> specs{
        {LedgerLine::payload, section.shape.vectors() * row, false, 1, row},
        {LedgerLine::scales, count * of_scale, false, static_cast<std::uint32_t>(of_scale), 0},
    };
    if (!grid_.symmetric) {
        specs.push_back({LedgerLine::zeros, count * of_zero, false, static_cast<std::uint32_t>(of_zero), 0});
    }
    return specs;
}

/// The range of `count` values, `stride` apart, as the kernels find it.
ValueRange Int::looked_at(float const* values, std::uint64_t stride, std::uint64_t count) const {
    auto const drawn = samples(count);
    std::vector<float> finite;
    for (std::uint64_t i = 0; i < (drawn == 0 ? count : drawn); ++i) {
        auto const value = values[(drawn == 0 ? i : sample_index(i, drawn, count)) * stride];
        if (std::isfinite(value)) finite.push_back(grid_.symmetric ? std::fabs(value) : value);
    }
    if (finite.empty()) return {};
    auto const quantile = [&](double p) {
        auto const rank = std::max(std::ceil(p * static_cast<double>(finite.size())), 1.0);
        auto const place = finite.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
        std::ranges::nth_element(finite, place);
        return *place;
    };
    auto const high = quantile(grid_.symmetric ? clip_ : (1 + clip_) / 2);
    return {grid_.symmetric ? -high : quantile((1 - clip_) / 2), high};
}

void Int::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const& shape = section.shape;
    auto const bound_group = [&](std::uint64_t first, std::uint64_t stride, std::uint64_t count) {
        auto const range = looked_at(values + first, stride, count);
        std::byte scale[4];
        std::byte zero[4];
        GridSteps<1> steps;
        grid_.store(&range.low, &range.high, 1, scale, zero, steps);
        double const zero_point = steps.zero[0];
        double const size = steps.scale[0];
        double const low = zero_point + static_cast<double>(grid_.low()) * size;
        double const high = zero_point + static_cast<double>(grid_.high()) * size;
        double const arithmetic = std::ldexp(std::max(std::fabs(low), std::fabs(high)), -20);
        for (std::uint64_t i = 0; i < count; ++i) {
            double const value = values[first + i * stride];
            bounds[first + i * stride] = size / 2 + arithmetic + std::max({0.0, value - high, low - value});
        }
    };
    if (axis_ == Axis::tensor || axis_ == Axis::layer || axis_ == Axis::head) {
        auto const count = groups(section);
        auto const each = shape.values() / count;
        for (std::uint64_t g = 0; g < count; ++g) bound_group(g * each, 1, each);
    } else if (axis_ == Axis::token) {
        auto const group = group_of(section);
        for (std::uint64_t vector = 0; vector < shape.vectors(); ++vector) {
            for (std::uint64_t c = 0; c < shape.dim; c += group) {
                bound_group(vector * shape.dim + c, 1, std::min(group, shape.dim - c));
            }
        }
    } else {
        auto const group = group_of(section);
        for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
            for (std::uint64_t t = 0; t < shape.tokens; t += group) {
                for (std::uint64_t c = 0; c < shape.dim; ++c) {
                    bound_group((head * shape.tokens + t) * shape.dim + c, shape.dim,
                                std::min(group, shape.tokens - t));
                }
            }
        }
    }
}

/// int8: int with 8 bits and one f32 scale for the section, under the name that everyone knows.
class Int8 : public Int {
  public:
    static StageInfo info() {
        StageInfo info = Int::info();
        info.name = "int8";
        info.summary = "8-bit integers with one scale per tensor";
        info.source = "Jacob et al., CVPR 2018, equation 1";
        info.engines = {{.vllm = {"int8_per_token_head"},
                         .llama_cpp = {"q8_0"},
                         .differs = "finer scales: vLLM has one a token and head, llama.cpp one a block of 32"}};
        info.options = {scheme_option(), clip_option(), samples_option()};
        info.shorthand = {"int", {{"bits", "8"}, {"axis", "tensor"}, {"group", "0"}, {"scale", "fp32"}}};
        info.examples = {"int8",
                         "int8:scheme=asymmetric",
                         "int8:clip=0.999",
                         "int8:scheme=asymmetric,clip=0.9",
                         "int8:samples=128",
                         "int8:scheme=asymmetric,clip=0.99,samples=256"};
        info.side_bits = {};  // one scale for the section
        return info;
    }
    explicit Int8(Options const& options)
        : Int({8, options.choice("scheme") == "symmetric", ScaleFormat::fp32}, Axis::tensor, 0, options.number("clip"),
              static_cast<std::uint64_t>(options.integer("samples"))) {}
};

static Register<Int> const int_registered;
static Register<Int8> const int8_registered;

}  // namespace kvstone
