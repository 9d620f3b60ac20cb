// example-half: the skeleton of a quantiser. It stores every value as one number of 16 bits; your code takes its place.

#include <cmath>

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ExampleNarrow {
    KOKKOS_INLINE_FUNCTION Float16 operator()(float value) const { return from_float<Float16>(value); }
};
struct ExampleWiden {
    KOKKOS_INLINE_FUNCTION float operator()(Float16 value) const { return to_float(value); }
};

struct ExampleHalf : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "example-half";
        info.summary = "every value as a number of 16 bits";
        info.examples = {"example-half"};
        return info;
    }
    explicit ExampleHalf(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, section.shape.values() * 2, false, 2, section.shape.dim}};
    }
    double nominal_bits(Section const&) const { return 16; }

    // Tensors of f16 and bf16 are converted on the way. A stage that reads them itself is a template on T, too.
    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<Float16>(), ExampleNarrow{});
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        map_from_packed(space, planes[0].as<Float16>(), values, ExampleWiden{});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        for (std::uint64_t i = 0; i < section.shape.values(); ++i) {
            double const size = std::fabs(double{values[i]});
            bounds[i] = size < 65520 ? std::fmax(std::ldexp(size, -11), 0x1p-25) : INFINITY;
        }
    }
};

static Register<ExampleHalf> const registered;

}  // namespace kvstone
