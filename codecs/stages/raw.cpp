// raw: every value unchanged.
//
// Purpose    the lossless baseline; the form of kept windows and sinks; the floor of every speed comparison.
// Source     IEEE 754, or bfloat16, the tensor's own type.
// Planes     payload: the values in [layer, head, token, dim] order, little-endian, in the tensor's own type
//            (4 bytes for f32, 2 for f16 and bf16).
// Example    f32 1.0, -2.0 -> payload 00 00 80 3f 00 00 00 c0
// Error      none: bits are equal.
// NaN, Inf, denormals: kept, payloads of NaN included.

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct Same {
    template <class T>
    KOKKOS_INLINE_FUNCTION T operator()(T value) const {
        return value;
    }
    template <class T>
    static void block(T const* source, T* destination, std::uint64_t count, bool streaming) {
        copy_bytes(destination, source, count * sizeof(T), streaming);
    }
};

struct Raw : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "raw";
        info.summary = "every value as it is, in the tensor's own type";
        info.source = "IEEE 754-2019";
        info.engines = {{.vllm = {"auto"},
                         .sglang = {"auto"},
                         .lmcache = {"no serde"},
                         .llama_cpp = {"f32"},
                         .differs = "auto is the model's own type of 16 bits; so is llama.cpp's -ctk f16 or bf16"}};
        info.examples = {"raw"};
        info.plain = true;
        return info;
    }
    explicit Raw(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const bytes = element_bytes(section.type);
        return {{LedgerLine::payload, section.shape.values() * bytes, false, static_cast<std::uint32_t>(bytes),
                 section.shape.dim, false, format_of(section.type)}};
    }
    double nominal_bits(Section const& section) const { return 8.0 * static_cast<double>(element_bytes(section.type)); }

    static NumberFormat format_of(ElementType type) {
        switch (type) {
            case ElementType::f16:
                return NumberFormat::fp16;
            case ElementType::bf16:
                return NumberFormat::bf16;
            default:
                return NumberFormat::fp32;
        }
    }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<T>(), Same{});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        map_from_packed(space, planes[0].as<T>(), values, Same{});
    }
    void error_bounds(Section const& section, float const*, double* bounds) const {
        std::fill_n(bounds, section.shape.values(), 0.0);
    }
};

static Register<Raw> const registered;

}  // namespace kvstone
