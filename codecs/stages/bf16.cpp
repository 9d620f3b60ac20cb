// bf16: every value rounded to the upper half of a binary32.
//
// Purpose    the storage of models trained in bfloat16: the range of f32, eight significant bits.
// Source     bfloat16 (Google, "BFloat16: the secret to high performance on Cloud TPUs"); rounds to nearest,
//            ties to even.
// Planes     payload: one bfloat16 a value (sign, 8 bits of exponent, 7 of mantissa) in [layer, head, token, dim]
//            order, little-endian.
// Example    f32 1.0, -2.0, 3.1415927 -> payload 80 3f 00 c0 49 40
// Error      2^-8 of the value's magnitude from 2^-126 on, 2^-134 below; values that round beyond the largest
//            bfloat16, 3.3895e38, become Inf and no bound is given. In a binary16 tensor, values that decode beyond
//            65504 (65536, where 65504 was coded) become 65504.
// NaN, Inf, denormals: NaN stays NaN, Inf stays Inf; bfloat16 denormals are exact.

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/kernels/casts.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/kernels/nearest_element.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ToBFloat16 {
    template <class T>
    KOKKOS_INLINE_FUNCTION BFloat16 operator()(T value) const {
        return from_float<BFloat16>(to_float(value));
    }
    static void block(float const* values, BFloat16* halves, std::uint64_t count, bool streaming) {
        cast_values(values, halves, count, {streaming, true});
    }
};

template <class T>
struct FromBFloat16 {
    KOKKOS_INLINE_FUNCTION T operator()(BFloat16 value) const { return nearest_element<T>(to_float(value)); }
    static void block(BFloat16 const* halves, float* values, std::uint64_t count, bool streaming)
        requires std::is_same_v<T, float>
    {
        cast_values(halves, values, count, {streaming, true});
    }
};

struct Bf16 : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "bf16";
        info.summary = "every value rounded to bfloat16";
        info.source = "bfloat16, round to nearest even";
        info.engines = {{.vllm = {"bfloat16"},
                         .sglang = {"bf16"},
                         .lmcache = {"no serde"},
                         .llama_cpp = {"bf16"},
                         .differs = "the same bits"}};
        info.examples = {"bf16"};
        info.plain = true;
        return info;
    }
    explicit Bf16(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, section.shape.values() * sizeof(BFloat16), false, sizeof(BFloat16),
                 section.shape.dim, false, NumberFormat::bf16}};
    }
    double nominal_bits(Section const&) const { return 16; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<BFloat16>(), ToBFloat16{});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        map_from_packed(space, planes[0].as<BFloat16>(), values, FromBFloat16<T>{});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        double const largest = std::ldexp(255.0 / 128.0, 127);
        double const overflow = largest + std::ldexp(1.0, 127 - 8);
        std::transform(values, values + section.shape.values(), bounds, [&](double value) {
            auto const magnitude = std::fabs(value);
            if (magnitude >= overflow) return std::numeric_limits<double>::infinity();
            return std::max(std::ldexp(magnitude, -8), std::ldexp(1.0, -134));
        });
    }
};

static Register<Bf16> const registered;

}  // namespace kvstone
