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
//            and z lie within +-65504 (log8: s up to 2^7.875), so that a wider range is cut to what they reach.
// Saturation decoded values beyond the largest number of the tensor's type become that number.
// NaN, Inf, denormals: Inf becomes the end of the range, NaN the code nearest to 0; denormals are values as any other.

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/kernels/reduce_values.hpp"
#include "codecs/kernels/int_kernels.hpp"
#include "codecs/kernels/quantile.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class Int : public Quantiser {
  public:
    enum class Axis : std::uint8_t { tensor, layer, head, channel, token };

    static StageInfo info();
    explicit Int(Options const& options);

    std::vector<PlaneSpec> planes(Section const& section) const;
    std::size_t workspace_bytes(Section const& section) const {
        return shared() ? aligned(samples(section.shape.values()) * sizeof(float)) + finder_bytes() : 0;
    }
    double nominal_bits(Section const&) const { return grid_.bits; }
    std::uint64_t page_tokens(Section const&) const { return axis_ == Axis::token ? 1 : group_; }
    double encode_reads(Section const&) const { return shared() && samples_ == 0 ? 2 : 1; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        with_code_type(grid_.bits,
                       [&]<class Code>(Code) { encode_codes<Code>(space, section, values, planes, workspace); });
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        with_code_type(grid_.bits, [&]<class Code>(Code) { decode_codes<Code>(space, section, planes, values); });
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  protected:
    Int(UniformGrid const& grid, Axis axis, std::uint64_t group, double clip, std::uint64_t samples)
        : grid_(grid), axis_(axis), group_(group), clip_(clip), samples_(samples) {}

  private:
    static constexpr std::uint64_t shared_tokens = 16;
    static constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
    std::size_t finder_bytes() const { return clip_ < 1 ? QuantileFinder::workspace_bytes() : 0; }
    /// Whether many vectors share a scale, so that a range over them comes first.
    bool shared() const { return axis_ == Axis::tensor || axis_ == Axis::layer || axis_ == Axis::head; }
    /// How many samples are drawn from n values; 0 where all are looked at.
    std::uint64_t samples(std::uint64_t n) const { return samples_ < n ? samples_ : 0; }
    std::uint64_t group_of(Section const& section) const {
        auto const all = axis_ == Axis::token ? section.shape.dim : section.shape.tokens;
        return group_ == 0 ? all : group_;
    }
    /// Groups of a vector or of a page of tokens.
    std::uint64_t groups_of_page(Section const& section) const {
        auto const dim = section.shape.dim;
        return axis_ == Axis::token ? (dim + group_of(section) - 1) / group_of(section) : dim;
    }
    /// Tokens that a kernel takes at a time: a group, or as many as make enough scales to compute side by side.
    std::uint64_t page_size(Section const& section) const {
        return axis_ == Axis::channel
                   ? group_of(section)
                   : TokenGroups<std::uint8_t, 0>::tokens_at_a_time(section.shape.dim, group_of(section));
    }
    std::uint64_t groups(Section const& section) const;

    /// The three planes by pages.
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 3> by_pages(Section const& section, AnyPlanes planes) const {
        auto const row = packed_bytes(section.shape.dim, grid_.bits);
        auto const tokens = page_size(section);
        auto const left = section.shape.tokens % tokens;
        auto const groups = axis_ == Axis::channel ? groups_of_page(section) : groups_of_page(section) * tokens;
        auto const tail = axis_ == Axis::channel ? groups : groups_of_page(section) * left;
        auto const of_scale = scale_bytes(grid_.format);
        auto const of_zero = grid_.zero_bytes_of_group();
        return {{{planes[0].data, tokens * row, left * row},
                 {planes[1].data, groups * of_scale, tail * of_scale},
                 {grid_.symmetric ? planes[1].data : planes[2].data, groups * of_zero, tail * of_zero}}};
    }
    /// The payload by pages where scales are shared.
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 1> payload_by_pages(Section const& section, AnyPlanes planes) const {
        auto const row = packed_bytes(section.shape.dim, grid_.bits);
        return {{{planes[0].data, shared_tokens * row, section.shape.tokens % shared_tokens * row}}};
    }
    template <class Code, class AnyPlanes>
    SharedGroups<Code> shared_groups(Section const& section, AnyPlanes planes) const {
        std::uint64_t const per_layer = axis_ == Axis::layer ? 1 : axis_ == Axis::head ? section.shape.heads : 0;
        return {grid_, planes[1].data, grid_.symmetric ? planes[1].data : planes[2].data, per_layer,
                axis_ == Axis::head ? std::uint64_t{1} : std::uint64_t{0}};
    }

  public:  // named and public, as functions with kernels have to be
    template <class Code, class Space, class T>
    void encode_codes(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                      Workspace workspace) const {
        if (shared()) {
            store_shared(space, section, values, planes, workspace);
            encode_pages(space, values, shared_tokens, payload_by_pages<std::byte>(section, planes),
                         shared_groups<Code>(section, planes));
            return;
        }
        with_groups<Code>(section, [&](auto const& groups) {
            encode_pages(space, values, page_size(section), by_pages<std::byte>(section, planes), groups);
        });
    }

    template <class Code, class Space, class T>
    void decode_codes(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values) const {
        if (shared()) {
            decode_pages(space, payload_by_pages<std::byte const>(section, planes), shared_tokens, values,
                         shared_groups<Code>(section, planes));
            return;
        }
        with_groups<Code>(section, [&](auto const& groups) {
            decode_pages(space, by_pages<std::byte const>(section, planes), page_size(section), values, groups);
        });
    }

    /// Calls action(kernel) with the kernel of groups that do not go beyond a page.
    template <class Code, class Action>
    void with_groups(Section const& section, Action const& action) const {
        auto const group = group_of(section);
        if (axis_ == Axis::channel) {
            action(ChannelGroups<Code>{grid_});
        } else if (group == 32) {
            action(TokenGroups<Code, 32>{grid_, group});
        } else if (group == 64) {
            action(TokenGroups<Code, 64>{grid_, group});
        } else if (group == 128) {
            action(TokenGroups<Code, 128>{grid_, group});
        } else {
            action(TokenGroups<Code, 0>{grid_, group});
        }
    }

    /// Scales and zeros of the groups that share one.
    template <class Space, class T>
    void store_shared(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                      Workspace workspace) const {
        auto const& shape = section.shape;
        KvShape part = shape;
        if (axis_ != Axis::tensor) part.layers = 1;
        if (axis_ == Axis::head) part.heads = 1;
        std::uint64_t number = 0;
        for (std::uint64_t layer = 0; layer < shape.layers; layer += part.layers) {
            for (std::uint64_t head = 0; head < shape.heads; head += part.heads, ++number) {
                KvSpan<T const> const group{values.vector(layer, head, 0), part, values.strides};
                auto const range = range_of(space, group, workspace);
                std::byte scale[4];
                std::byte zero[4];
                GridSteps<1> steps;
                grid_.store(&range.low, &range.high, 1, scale, zero, steps);
                auto const bytes = scale_bytes(grid_.format);
                copy_to_backend(backend_of<Space>, planes[1].data + number * bytes, scale, bytes);
                if (grid_.symmetric) continue;
                auto const of_zero = zero_bytes(grid_.format);
                copy_to_backend(backend_of<Space>, planes[2].data + number * of_zero, zero, of_zero);
            }
        }
    }

    template <class Space, class T>
    ValueRange range_of(Space const& space, KvSpan<T const> values, Workspace workspace) const {
        auto const count = samples(values.shape.values());
        if (count == 0) return clipped_range(space, values, workspace);
        auto* const drawn = reinterpret_cast<float*>(workspace);
        draw_samples(space, values, drawn, count);
        KvShape const shape{1, 1, 1, count};
        return clipped_range(space, KvSpan<float const>{drawn, shape, KvStrides::packed(shape)},
                             workspace + aligned(count * sizeof(float)));
    }
    template <class Space, class T>
    ValueRange clipped_range(Space const& space, KvSpan<T const> values, Workspace workspace) const {
        if (clip_ == 1) return finite_range(space, values);
        QuantileFinder const finder(workspace);
        if (grid_.symmetric) {
            auto const high = finder.find(space, values, Magnitude{}, clip_);
            return {-high, high};
        }
        auto const ends = finder.find(space, values, Signed{}, std::array{(1 - clip_) / 2, (1 + clip_) / 2});
        return {ends[0], ends[1]};
    }

  private:
    ValueRange looked_at(float const* values, std::uint64_t stride, std::uint64_t count) const;

    UniformGrid grid_;
    Axis axis_;
    std::uint64_t group_;
    double clip_;
    std::uint64_t samples_;
};

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
        choice_option("axis", "tensor", {"tensor", "layer", "head", "channel", "token"}, "what shares a scale"),
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
        return info;
    }
    explicit Int8(Options const& options)
        : Int({8, options.choice("scheme") == "symmetric", ScaleFormat::fp32}, Axis::tensor, 0, options.number("clip"),
              static_cast<std::uint64_t>(options.integer("samples"))) {}
};

static Register<Int> const int_registered;
static Register<Int8> const int8_registered;

}  // namespace kvstone
