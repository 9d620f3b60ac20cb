// fp16: every value rounded to IEEE binary16.
//
// Purpose    the field's baseline storage of a KV cache.
// Source     IEEE 754-2019, binary16; conversion rounds to nearest, ties to even.
// Planes     payload: one binary16 a value (sign, 5 bits of exponent, 10 of mantissa) in [layer, head, token, dim]
//            order, little-endian.
// Example    f32 1.0, -2.0, 65504.0, 1e-7 -> payload 00 3c 00 c0 ff 7b 02 00
// Error      2^-11 of the value's magnitude from 2^-14 on, 2^-25 below; from 65520 on the result is Inf and no bound is
//            given.
// NaN, Inf, denormals: NaN stays NaN, Inf stays Inf; binary16 denormals are exact, smaller values round to them or
//            to 0.

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/kernels/casts.hpp"
#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ToFloat16 {
    template <class T>
    KOKKOS_INLINE_FUNCTION Float16 operator()(T value) const {
        return from_float<Float16>(to_float(value));
    }
    static void block(float const* values, Float16* halves, std::uint64_t count, bool streaming) {
        cast_values(values, halves, count, {streaming, true});
    }
};

template <class T>
struct FromFloat16 {
    KOKKOS_INLINE_FUNCTION T operator()(Float16 value) const { return from_float<T>(to_float(value)); }
    static void block(Float16 const* halves, float* values, std::uint64_t count, bool streaming)
        requires std::is_same_v<T, float>
    {
        cast_values(halves, values, count, {streaming, true});
    }
};

struct Fp16 : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "fp16";
        info.summary = "every value rounded to IEEE binary16";
        info.source = "IEEE 754-2019 binary16, round to nearest even";
        info.engines = {{.vllm = {"float16"},
                         .sglang = {"auto"},
                         .lmcache = {"no serde"},
                         .llama_cpp = {"f16"},
                         .differs = "the same bits; SGLang's auto is float16 for a float16 model"}};
        info.examples = {"fp16"};
        info.plain = true;
        return info;
    }
    explicit Fp16(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, section.shape.values() * sizeof(Float16), false, sizeof(Float16),
                 section.shape.dim, false, NumberFormat::fp16}};
    }
    double nominal_bits(Section const&) const { return 16; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<Float16>(), ToFloat16{});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        map_from_packed(space, planes[0].as<Float16>(), values, FromFloat16<T>{});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        std::transform(values, values + section.shape.values(), bounds, [](double value) {
            auto const magnitude = std::fabs(value);
            if (magnitude >= 65520) return std::numeric_limits<double>::infinity();
            return std::max(std::ldexp(magnitude, -11), std::ldexp(1.0, -25));
        });
    }
};

static Register<Fp16> const registered;

}  // namespace kvstone
