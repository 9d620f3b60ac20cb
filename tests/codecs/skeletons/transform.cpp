// example-negate: the skeleton of a transform. It changes the sign of every value; your arithmetic takes its place.

#include "backends/kernels/runs.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ExampleNegate : Transform {
    static StageInfo info() {
        StageInfo info;
        info.name = "example-negate";
        info.summary = "changes the sign of every value";
        info.examples = {"example-negate | int8"};
        return info;
    }
    explicit ExampleNegate(Options const&) {}

    // Nothing is stored beside the values.
    std::vector<PlaneSpec> planes(Section const&) const { return {}; }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes,
                Workspace) const {
        Runs<float const> const from(in);
        Runs<float> const to(out);
        Kokkos::parallel_for(
            "negate", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(from.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                to.value(static_cast<std::uint64_t>(i)) = -from.value(static_cast<std::uint64_t>(i));
            });
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes, KvSpan<float> values, Workspace) const {
        encode(space, section, read_only(values), values, {}, nullptr);
    }
    // Going back adds no error: the quantiser's bounds hold for the original values, too.
    void carry_bounds(Section const&, float const*, double*) const {}
};

static Register<ExampleNegate> const registered;

}  // namespace kvstone
