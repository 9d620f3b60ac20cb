// int8: every value as a multiple of one step per tensor.
//
// Purpose    the simplest quantiser of KV caches: 4x smaller than f32, one scale for the whole section.
// Source     uniform quantisation as in Jacob et al., "Quantization and Training of Neural Networks for Efficient
//            Integer-Arithmetic-Only Inference", CVPR 2018, equation 1, rounding to nearest, ties to even.
// Planes     payload: one byte a value in [layer, head, token, dim] order
//            scales:  s, one f32
//            zeros:   z, one f32 (asymmetric only)
//            symmetric:   s = max |x| / 127, q = round(x / s) in [-127, 127], two's complement; x' = q s
//            asymmetric:  z = min x, s = (max x - min x) / 255, q = round((x - z) / s) in [0, 255]; x' = z + q s
//            s is at least 2^-126, so that its inverse is finite. Maximum and minimum are taken over finite values, and
//            lie within +-2^126, so that their difference is finite.
// Options    clip=P    symmetric: max |x| is replaced by the P-quantile of |x|; asymmetric: min and max by the
//                      (1-P)/2- and (1+P)/2-quantiles of x. The p-quantile of n values is the ceil(p n)-th smallest.
//            samples=N the range comes from N values alone: with n values in packed order, those at floor(i n / N),
//                      i = 0..N-1; from all where n <= N or N is 0.
//            Values outside the range become its nearest end.
// Example    symmetric, f32 1.0, -2.0, 0.5, 127.0: payload 01 fe 00 7f, scales 00 00 80 3f (s = 1; 0.5 ties to even)
//            asymmetric, f32 0.0, 255.0, 3.0: payload 00 ff 03, scales 00 00 80 3f, zeros 00 00 00 00
// Error      s/2 within the range (plus rounding of the arithmetic, at most 2^-20 of its larger end), outside it that
//            and the distance to the range.
// NaN, Inf, denormals: Inf becomes the end of the range, NaN the code nearest to 0; denormals are values as any other.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

#include "backends/map_values.hpp"
#include "backends/reduce_values.hpp"
#include "codecs/quantile.hpp"
#include "codecs/registry.hpp"

namespace kvstone {

struct QuantiseInt8 {
    float zero;
    float inverse_scale;
    float low;
    float high;
    float of_nan;

    /// The low byte of the code. Comparisons let NaN through, which the last selection catches.
    template <class T>
    KOKKOS_INLINE_FUNCTION std::uint8_t operator()(T value) const {
        float code = (to_float(value) - zero) * inverse_scale;
        code = code > high ? high : code;
        code = code < low ? low : code;
        code = code == code ? code : of_nan;
        return static_cast<std::uint8_t>(static_cast<std::int32_t>(Kokkos::nearbyint(code)));
    }
};

template <class Code, class T>
struct DequantiseInt8 {
    float zero;
    float scale;

    KOKKOS_INLINE_FUNCTION T operator()(std::uint8_t code) const {
        return from_float<T>(zero + static_cast<float>(static_cast<Code>(code)) * scale);
    }
};

class Int8 : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "int8";
        info.summary = "8-bit integers with one scale per tensor";
        info.source = "Jacob et al., CVPR 2018, equation 1";
        info.access = Access::whole;
        info.non_finite = NonFinite::saturated;
        info.engines = "TensorRT-LLM: kv_cache_quant_algo=INT8; vLLM, SGLang, llama.cpp: finer scales only (q8_0)";
        info.options = {
            choice_option("scheme", "symmetric", {"symmetric", "asymmetric"}, "scale alone, or scale and zero point"),
            number_option("clip", 1, 0.5, 1, true, "share of the values that the range holds"),
            integer_option("samples", 0, 0, 1 << 20, "values the range is taken from, evenly spaced; 0 is all"),
        };
        info.examples = {"int8",
                         "int8:scheme=asymmetric",
                         "int8:clip=0.999",
                         "int8:scheme=asymmetric,clip=0.9",
                         "int8:samples=128",
                         "int8:scheme=asymmetric,clip=0.99,samples=256"};
        return info;
    }
    explicit Int8(Options const& options)
        : symmetric_(options.choice("scheme") == "symmetric"),
          clip_(options.number("clip")),
          samples_(static_cast<std::uint64_t>(options.integer("samples"))) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        std::vector<PlaneSpec> specs{
            {LedgerLine::payload, section.shape.values(), false, 1, section.shape.dim},
            {LedgerLine::scales, sizeof(float), false, sizeof(float), 0},
        };
        if (!symmetric_) specs.push_back({LedgerLine::zeros, sizeof(float), false, sizeof(float), 0});
        return specs;
    }
    std::size_t workspace_bytes(Section const& section) const {
        auto const sampled = samples(section.shape.values()) * sizeof(float);
        return aligned(sampled) + (clip_ < 1 ? QuantileFinder::workspace_bytes() : 0);
    }
    double nominal_bits(Section const&) const { return 8; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace workspace) const {
        auto const grid = grid_of(range_of(space, values, workspace));
        put(space, planes[1], grid.scale);
        if (!symmetric_) put(space, planes[2], grid.zero);
        float const low = symmetric_ ? -127.0F : 0.0F;
        float const high = symmetric_ ? 127.0F : 255.0F;
        float const inverse = 1.0F / grid.scale;
        QuantiseInt8 const quantise{grid.zero, inverse, low, high, std::clamp(-grid.zero * inverse, low, high)};
        map_to_packed(space, values, planes[0].as<std::uint8_t>(), quantise);
    }

    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        auto const* const codes = planes[0].as<std::uint8_t>();
        float const scale = get(space, planes[1]);
        if (symmetric_) {
            map_from_packed(space, codes, values, DequantiseInt8<std::int8_t, T>{0, scale});
        } else {
            map_from_packed(space, codes, values, DequantiseInt8<std::uint8_t, T>{get(space, planes[2]), scale});
        }
    }

    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    struct Grid {
        float zero;
        float scale;
    };

    static constexpr float largest_end = 0x1p126F;
    static constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
    /// How many samples are drawn from n values; 0 where all are looked at.
    std::uint64_t samples(std::uint64_t n) const { return samples_ < n ? samples_ : 0; }

    Grid grid_of(ValueRange range) const {
        range.low = std::clamp(range.low, -largest_end, largest_end);
        range.high = std::clamp(range.high, -largest_end, largest_end);
        if (symmetric_) return {0, std::max(range.magnitude() / 127.0F, FLT_MIN)};
        return {range.low, std::max(range.high / 255.0F - range.low / 255.0F, FLT_MIN)};
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
        if (symmetric_) {
            auto const high = finder.find(space, values, Magnitude{}, clip_);
            return {-high, high};
        }
        return {finder.find(space, values, Signed{}, (1 - clip_) / 2),
                finder.find(space, values, Signed{}, (1 + clip_) / 2)};
    }

    template <class Space>
    static void put(Space const&, Plane const& plane, float const& value) {
        copy_to_backend(backend_of<Space>, plane.data, reinterpret_cast<std::byte const*>(&value), sizeof(value));
    }
    template <class Space>
    static float get(Space const&, ConstPlane const& plane) {
        float value = 0;
        copy_to_host(backend_of<Space>, reinterpret_cast<std::byte*>(&value), plane.data, sizeof(value));
        return value;
    }

    bool symmetric_;
    double clip_;
    std::uint64_t samples_;
};

void Int8::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const n = section.shape.values();
    auto const drawn = samples(n);
    std::vector<double> looked_at;
    for (std::uint64_t i = 0; i < (drawn == 0 ? n : drawn); ++i) {
        double const value = values[drawn == 0 ? i : sample_index(i, drawn, n)];
        if (std::isfinite(value)) looked_at.push_back(symmetric_ ? std::fabs(value) : value);
    }
    std::ranges::sort(looked_at);
    auto const quantile = [&](double p) {
        if (looked_at.empty()) return 0.0;
        auto const rank = std::ceil(p * static_cast<double>(looked_at.size()));
        return looked_at[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
    };
    double const end = largest_end;
    double const high = std::clamp(quantile(symmetric_ ? clip_ : (1 + clip_) / 2), -end, end);
    double const low = symmetric_ ? -high : std::clamp(quantile((1 - clip_) / 2), -end, end);
    double const step = std::max((high - low) / (symmetric_ ? 254 : 255), static_cast<double>(FLT_MIN));
    double const arithmetic = std::ldexp(std::max(std::fabs(low), std::fabs(high)), -20);
    std::transform(values, values + n, bounds,
                   [&](double value) { return step / 2 + arithmetic + std::max({0.0, value - high, low - value}); });
}

static Register<Int8> const registered;

}  // namespace kvstone
