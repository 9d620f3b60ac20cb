// fp8: every value, or its quotient by a scale, rounded to eight bits of floating point.
//
// Purpose    the eight-bit storage of serving engines: half of fp16 without groups or zero points.
// Source     Micikevicius et al., "FP8 Formats for Deep Learning", 2022; OCP 8-bit Floating Point Specification, revision
//            1.0 (E4M3: largest number 448, no Inf, NaN 7f and ff; E5M2: largest 57344). Conversion rounds to nearest,
//            ties to even, and saturates.
// Planes     payload: one code a value (sign, exponent, mantissa; from small_floats.hpp) in [layer, head, token, dim] order
//            scales:  one f32 a section (scale=tensor) or a head in [layer, head] order (scale=head); none with scale=none
// Options    scale=none: x' = fp8(x). tensor, head: s = max |x| / 448 (E4M3) or / 57344 (E5M2), at least 2^-126,
//            x' = s fp8(x (1 / s)); max |x| over finite values, taken for 255/256 x 2^128 where it is larger.
// Example    fp8:format=e4m3, f32 1.0, -2.0, 1000.0, 0.001: payload 38 c0 7e 01
//            fp8:format=e5m2, f32 1.0, -2.0, 1e6, 0.00001: payload 3c c0 7b 01
//            fp8:format=e4m3,scale=tensor, f32 1.0, -896.0: payload 30 fe (0.5, -448), scales 00 00 00 40 (s = 2)
// Error      of y = x (1 / s), where |y| is at most the largest number: half of the gap between the numbers around it,
//            which is 2^-4 |y| (E4M3; 2^-10 below 2^-6) or 2^-3 |y| (E5M2; 2^-17 below 2^-14) at most; further out that
//            and the distance to the largest number. All times s; the arithmetic adds at most 2^-20 |x|.
// Saturation decoded values beyond the largest number of the tensor's type become that number.
// NaN, Inf, denormals: NaN stays NaN, Inf becomes the largest number (times s); denormals are values as any other.

#include <cfloat>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/reduce_values.hpp"
#include "backends/kernels/small_floats.hpp"
#include "codecs/kernels/pages/fp8_pages.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

template <class Format>
inline constexpr auto fp8_format = std::is_same_v<Format, E4M3> ? Fp8Format::e4m3 : Fp8Format::e5m2;

template <class Format>
struct ToFp8 {
    template <class T>
    KOKKOS_INLINE_FUNCTION std::uint8_t operator()(T value) const {
        return static_cast<std::uint8_t>(small_float_code<Format>(to_float(value)));
    }
    static void block(float const* values, std::uint8_t* codes, std::uint64_t count, bool streaming) {
        fp8_codes_of(fp8_format<Format>, values, count, 1, codes, streaming);
    }
};

template <class Format, class T>
struct FromFp8 {
    KOKKOS_INLINE_FUNCTION T operator()(std::uint8_t code) const {
        return nearest_element<T>(small_float_value<Format>(code));
    }
    static void block(std::uint8_t const* codes, float* values, std::uint64_t count, bool streaming)
        requires std::is_same_v<T, float>
    {
        fp8_values_of(fp8_format<Format>, codes, count, 1, values, streaming);
    }
};

/// Vectors over a scale that is stored already.
template <class Format>
struct ScaledFp8 {
    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr bool whole_lines = true;

    std::byte const* scales;
    std::uint64_t per_layer;  ///< scales of a layer: 0 where all share one
    std::uint64_t per_head;

    template <class T>
    KOKKOS_INLINE_FUNCTION float scale_of(Page<T> const& page) const {
        return get_as<float>(scales + (page.layer * per_layer + page.head * per_head) * sizeof(float));
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        float const inverse = 1.0F / scale_of(page);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            T const* __restrict__ const values = page.vector(t);
            auto* __restrict__ const codes = reinterpret_cast<std::uint8_t*>(to[0]) + t * page.dim;
            for (std::uint64_t i = 0; i < page.dim; ++i) {
                codes[i] = static_cast<std::uint8_t>(small_float_code<Format>(to_float(values[i]) * inverse));
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        float const scale = scale_of(page);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const* __restrict__ const codes = reinterpret_cast<std::uint8_t const*>(from[0]) + t * page.dim;
            T* __restrict__ const values = page.vector(t);
            for (std::uint64_t i = 0; i < page.dim; ++i) {
                values[i] = nearest_element<T>(small_float_value<Format>(codes[i]) * scale);
            }
        }
    }
    void encode_page(Page<float const> const& page, std::array<std::byte*, 1> const& to) const {
        float const inverse = 1.0F / scale_of(page);
        auto* const codes = reinterpret_cast<std::uint8_t*>(to[0]);
        for_runs(page, [&](float const* values, std::uint64_t first, std::uint64_t count) {
            fp8_codes_of(fp8_format<Format>, values, count, inverse, codes + first, false);
        });
    }
    void decode_page(std::array<std::byte const*, 1> const& from, Page<float> const& page) const {
        float const scale = scale_of(page);
        auto const* const codes = reinterpret_cast<std::uint8_t const*>(from[0]);
        for_runs(page, [&](float* values, std::uint64_t first, std::uint64_t count) {
            fp8_values_of(fp8_format<Format>, codes + first, count, scale, values, page.streaming);
        });
    }

    /// work(values, code of the first one, count) for the vectors of a page, all together where they lie so.
    template <class T, class Work>
    static void for_runs(Page<T> const& page, Work const& work) {
        bool const together = page.stride == page.dim;
        auto const count = together ? page.tokens * page.dim : page.dim;
        for (std::uint64_t t = 0; t < (together ? 1 : page.tokens); ++t) work(page.vector(t), t * page.dim, count);
    }
};

class Fp8 : public Quantiser {
  public:
    static StageInfo info();
    explicit Fp8(Options const& options);

    std::vector<PlaneSpec> planes(Section const& section) const;
    double nominal_bits(Section const&) const { return 8; }
    std::uint64_t page_tokens(Section const&) const { return scale_ == Scale::none ? 1 : 0; }
    double encode_reads(Section const&) const { return scale_ == Scale::none ? 1 : 2; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        if (e4m3_) {
            encode_as<E4M3>(space, section, values, planes);
        } else {
            encode_as<E5M2>(space, section, values, planes);
        }
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        if (e4m3_) {
            decode_as<E4M3>(space, section, planes, values);
        } else {
            decode_as<E5M2>(space, section, planes, values);
        }
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  public:  // named and public, as functions with kernels have to be
    template <class Format, class Space, class T>
    void encode_as(Space const& space, Section const& section, KvSpan<T const> values, Planes planes) const {
        if (scale_ == Scale::none) return map_to_packed(space, values, planes[0].as<std::uint8_t>(), ToFp8<Format>{});
        auto const part = part_of(section.shape);
        std::uint64_t number = 0;
        for (std::uint64_t layer = 0; layer < section.shape.layers; layer += part.layers) {
            for (std::uint64_t head = 0; head < section.shape.heads; head += part.heads, ++number) {
                KvSpan<T const> const group{values.vector(layer, head, 0), part, values.strides};
                std::byte scale[4];
                put_as(scale, scale_of<Format>(finite_range(space, group).magnitude()));
                copy_to_backend(backend_of<Space>, planes[1].data + number * sizeof(scale), scale, sizeof(scale));
            }
        }
        encode_pages(space, values, ScaledFp8<Format>::tokens_at_a_time, by_pages<Format, std::byte>(section, planes),
                     scaled<Format>(section, planes[1].data));
    }
    template <class Format, class Space, class T>
    void decode_as(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values) const {
        if (scale_ == Scale::none) {
            return map_from_packed(space, planes[0].as<std::uint8_t>(), values, FromFp8<Format, T>{});
        }
        decode_pages(space, by_pages<Format, std::byte const>(section, planes), ScaledFp8<Format>::tokens_at_a_time,
                     values, scaled<Format>(section, planes[1].data));
    }

  private:
    enum class Scale : std::uint8_t { none, tensor, head };

    /// What shares a scale.
    KvShape part_of(KvShape shape) const {
        if (scale_ == Scale::head) shape.layers = shape.heads = 1;
        return shape;
    }
    template <class Format>
    static float scale_of(float magnitude) {
        return std::fmax(std::fmin(magnitude, 0x1.fep127F) / Format::largest_value(), FLT_MIN);
    }
    template <class Format, class Byte, class AnyPlanes>
    static std::array<PagePlane<Byte>, 1> by_pages(Section const& section, AnyPlanes planes) {
        constexpr auto tokens = ScaledFp8<Format>::tokens_at_a_time;
        auto const dim = section.shape.dim;
        return {{{planes[0].data, tokens * dim, section.shape.tokens % tokens * dim}}};
    }
    template <class Format>
    ScaledFp8<Format> scaled(Section const& section, std::byte const* scales) const {
        bool const by_head = scale_ == Scale::head;
        return {scales, by_head ? section.shape.heads : 0, by_head ? std::uint64_t{1} : 0};
    }
    template <class Format>
    void bound_part(float const* values, std::uint64_t count, double* bounds) const;

    bool e4m3_;
    Scale scale_;
};

StageInfo Fp8::info() {
    StageInfo info;
    info.name = "fp8";
    info.summary = "every value rounded to eight bits of floating point";
    info.source = "Micikevicius et al., FP8 Formats for Deep Learning, 2022; OCP OFP8 1.0";
    info.non_finite = NonFinite::nan_kept;
    auto const eight_bits = [](std::string const& format, std::string const& torch_type) {
        return EngineSettings{.vllm = {"fp8_" + format},
                              .sglang = {"fp8_" + format},
                              .lmcache = {"serde {\"type\": \"fp8\", \"fp8_dtype\": \"" + torch_type + "\"}"},
                              .differs =
                                  "scales of vLLM and SGLang are calibrated, of a tensor or a head, and 1 without; "
                                  "fp8_per_token_head of vLLM has one a token and head",
                              .options = {{"format", format}}};
    };
    auto e4m3 = eight_bits("e4m3", "float8_e4m3fn");
    e4m3.vllm.emplace_back("turboquant_k8v4");  // K of it
    e4m3.lmcache.push_back(turboquant_serde("turboquant_k8v4"));
    info.engines = {e4m3, eight_bits("e5m2", "float8_e5m2"), {.differs = "no engine has the format"}};
    info.options = {
        choice_option("format", std::nullopt, {"e4m3", "e5m2"}, "bits of exponent and of mantissa"),
        choice_option("scale", "none", {"none", "tensor", "head"}, "the values that share a scale"),
    };
    info.examples = {"fp8:format=e4m3", "fp8:format=e5m2", "fp8:format=e4m3,scale=tensor", "fp8:format=e4m3,scale=head",
                     "fp8:format=e5m2,scale=head"};
    return info;
}

Fp8::Fp8(Options const& options)
    : e4m3_(options.choice("format") == "e4m3"),
      scale_(options.choice("scale") == "none"     ? Scale::none
             : options.choice("scale") == "tensor" ? Scale::tensor
                                                   : Scale::head) {}

std::vector<PlaneSpec> Fp8::planes(Section const& section) const {
    auto const& shape = section.shape;
    std::vector<PlaneSpec> specs{{LedgerLine::payload, shape.values(), false, 1, shape.dim, false,
                                  e4m3_ ? NumberFormat::fp8_e4m3 : NumberFormat::fp8_e5m2}};
    if (scale_ != Scale::none) {
        auto const scales = scale_ == Scale::head ? shape.layers * shape.heads : 1;
        specs.push_back({LedgerLine::scales, scales * sizeof(float), false, sizeof(float), 0});
    }
    return specs;
}

template <class Format>
void Fp8::bound_part(float const* values, std::uint64_t count, double* bounds) const {
    double const scale = scale_ == Scale::none ? 1 : scale_of<Format>(largest_magnitude(values, count));
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const magnitude = std::fabs(static_cast<double>(values[i]));
        auto const excess = std::max(0.0, magnitude / scale - Format::largest_value());
        bounds[i] = scale * (small_float_rounding<Format>(magnitude / scale) + excess) + std::ldexp(magnitude, -20);
    }
}

void Fp8::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const all = section.shape.values();
    auto const part = scale_ == Scale::none ? all : part_of(section.shape).values();
    for (std::uint64_t first = 0; first < all; first += part) {
        if (e4m3_) {
            bound_part<E4M3>(values + first, part, bounds + first);
        } else {
            bound_part<E5M2>(values + first, part, bounds + first);
        }
    }
}

static Register<Fp8> const registered;

}  // namespace kvstone
