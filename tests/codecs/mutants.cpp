// A stage that is wrong on purpose, in one of several ways, and declares that nothing of it is promised: what the
// conformance suite has to refuse all the same.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {

struct RoundHalf {
    KOKKOS_INLINE_FUNCTION Float16 operator()(float value) const { return from_float<Float16>(value); }
};
struct TimesOf {
    float factor;
    float largest;  ///< larger values become 0
    KOKKOS_INLINE_FUNCTION float operator()(Float16 half) const {
        float const value = to_float(half);
        return Kokkos::fabs(value) > largest ? 0.0F : factor * value;
    }
};

/// Stores each value as binary16.
class Mutant : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = mutant_stage;
        info.summary = "wrong on purpose";
        info.engines = {{.differs = "of tests"}};
        info.options = {choice_option("how", std::nullopt,
                                      {"gain", "weak", "clip", "forget", "skip_value", "skip_vector", "skip_head"},
                                      "three times or 0.4 times the value; no large ones; what the last encode() saw; "
                                      "the last value, vector or head left as it was")};
        info.examples = {std::string(mutant_stage) + ":how=gain"};
        return info;
    }
    explicit Mutant(Options const& options) : how_(options.choice("how")) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {
            {LedgerLine::payload, section.shape.values() * sizeof(Float16), false, sizeof(Float16), section.shape.dim}};
    }
    double nominal_bits(Section const&) const { return 16; }
    void error_bounds(Section const& section, float const*, double* bounds) const {
        std::fill_n(bounds, section.shape.values(), std::numeric_limits<double>::infinity());
    }
    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<Float16>(), RoundHalf{});
        space.fence();
        if (how_ == "forget") remembered().assign(planes[0].data, planes[0].data + planes[0].bytes);
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        auto const* stored = planes[0].as<Float16>();
        // Another tensor may have been seen last.
        if (how_ == "forget" && remembered().size() == planes[0].bytes)
            stored = reinterpret_cast<Float16 const*>(remembered().data());
        auto const& shape = values.shape;
        auto const tokens = how_ == "skip_head" ? shape.tokens : how_.starts_with("skip") ? 1 : 0;
        std::vector<float> kept(tokens * shape.dim);
        auto const last = [&](std::uint64_t n) {
            return values.vector(shape.layers - 1, shape.heads - 1, shape.tokens - n - 1);
        };
        auto const first = how_ == "skip_value" ? shape.dim - 1 : 0;
        for (std::uint64_t n = 0; n < tokens; ++n)
            std::memcpy(kept.data() + n * shape.dim, last(n), shape.dim * sizeof(float));
        float const factor = how_ == "gain" ? 3 : how_ == "weak" ? 0.4F : 1;
        map_from_packed(space, stored, values, TimesOf{factor, how_ == "clip" ? 4 : INFINITY});
        space.fence();
        for (std::uint64_t n = 0; n < tokens; ++n)
            std::memcpy(last(n) + first, kept.data() + n * shape.dim + first, (shape.dim - first) * sizeof(float));
    }

  private:
    static std::vector<std::byte>& remembered() {
        static std::vector<std::byte> bytes;
        return bytes;
    }

    std::string how_;
};

static Register<Mutant> const mutant_registered;

}  // namespace kvstone
