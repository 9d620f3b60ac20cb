// Stages that only the tests have: one of each kind, to show that the frame needs nothing but a file. They use what the
// first stages do not: side planes of a transform, a quantiser of f32 alone with a required option and a second format
// version, an entropy stage with two outputs.

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "backends/map_values.hpp"
#include "codecs/registry.hpp"

namespace kvstone {

/// Subtracts the section's first vector from every vector. Plane, codebooks: that vector, dim f32.
struct TestOffset : Transform {
    static StageInfo info() {
        StageInfo info;
        info.name = "test-offset";
        info.summary = "subtracts the first vector";
        info.engines = {{.differs = "of tests"}};
        info.examples = {"test-offset | raw", "test-offset | test-offset | int8 | zstd"};
        return info;
    }
    explicit TestOffset(Options const&) {}
    std::uint64_t page_tokens(Section const&) const { return 0; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::codebooks, section.shape.dim * sizeof(float), false, sizeof(float), 0}};
    }
    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace) const {
        auto* const first = planes[0].as<float>();
        Kokkos::parallel_for(
            "offset_first", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(in.shape.dim)),
            KOKKOS_LAMBDA(std::int64_t const c) { first[c] = in.data[c]; });
        add(space, in, out, first, -1);
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        add(space, read_only(values), values, planes[0].as<float>(), 1);
    }
    void carry_bounds(Section const& section, float const* values, double* bounds) const {
        for (std::uint64_t i = 0; i < section.shape.values(); ++i) {
            auto const reach = std::fabs(static_cast<double>(values[i])) + std::fabs(values[i % section.shape.dim]);
            bounds[i] += reach > FLT_MAX ? INFINITY : std::ldexp(reach, -23);
        }
    }
    template <class Space>
    void add(Space const& space, KvSpan<float const> in, KvSpan<float> out, float const* first, float sign) const {
        Runs<float const> const from(in);
        Runs<float> const to(out);
        auto const dim = in.shape.dim;
        Kokkos::parallel_for(
            "offset_add", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(in.shape.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                to.value(at) = from.value(at) + sign * first[at % dim];
            });
    }
};

struct TopBits {
    std::uint32_t mask;
    KOKKOS_INLINE_FUNCTION std::uint16_t operator()(float value) const {
        auto const bits = Kokkos::bit_cast<std::uint32_t>(value);
        auto const quiet = value != value ? 0x00400000U : 0U;
        return static_cast<std::uint16_t>(((bits | quiet) & mask) >> 16);
    }
};
struct FromTopBits {
    KOKKOS_INLINE_FUNCTION float operator()(std::uint16_t value) const {
        return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
    }
};

/// Keeps the upper bits of an f32. Plane, payload: two bytes a value.
struct TestTop : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "test-top";
        info.summary = "keeps the upper bits";
        info.engines = {{.differs = "of tests"}};
        info.format_version = 2;
        info.options = {integer_option("bits", std::nullopt, 10, 16, "upper bits kept")};
        info.examples = {"test-top:bits=12", "test-top:bits=16 | test-split"};
        return info;
    }
    explicit TestTop(Options const& options) : bits_(static_cast<int>(options.integer("bits"))) {}
    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, section.shape.values() * 2, false, 2, section.shape.dim}};
    }
    double nominal_bits(Section const&) const { return bits_; }
    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> values, Planes planes, Workspace) const {
        map_to_packed(space, values, planes[0].as<std::uint16_t>(), TopBits{~std::uint32_t{0} << (32 - bits_)});
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        map_from_packed(space, planes[0].as<std::uint16_t>(), values, FromTopBits{});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        std::transform(values, values + section.shape.values(), bounds, [this](double value) {
            return std::ldexp(std::max(std::fabs(value), std::ldexp(1.0, -126)), 9 - bits_);
        });
    }

  private:
    int bits_;
};

/// Even and odd bytes apart. Planes: two payloads.
struct TestSplit : Entropy {
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "test-split";
        info.summary = "even and odd bytes apart";
        info.engines = {{.differs = "of tests"}};
        info.examples = {"fp16 | test-split", "fp16 | test-split | zstd | test-split"};
        return info;
    }
    explicit TestSplit(Options const&) {}
    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return {{LedgerLine::payload, input.bytes / 2 + input.bytes % 2, input.variable, 1, input.row_elements},
                {LedgerLine::payload, input.bytes / 2, input.variable, 1, input.row_elements}};
    }
    template <class Space>
    void encode(Space const&, PlaneSpec const&, ConstPlane input, Planes planes, Workspace) const {
        for (std::uint64_t i = 0; i < input.bytes; ++i) planes[i % 2].data[i / 2] = input.data[i];
        planes[0].bytes = input.bytes / 2 + input.bytes % 2;
        planes[1].bytes = input.bytes / 2;
    }
    template <class Space>
    void decode(Space const&, PlaneSpec const&, ConstPlanes planes, Plane& input, Workspace) const {
        input.bytes = std::min(input.bytes, planes[0].bytes + planes[1].bytes);
        for (std::uint64_t i = 0; i < input.bytes; ++i) {
            auto const& from = planes[i % 2];
            input.data[i] = i / 2 < from.bytes ? from.data[i / 2] : std::byte{0};
        }
    }
};

static Register<TestOffset> const offset_registered;
static Register<TestTop> const top_registered;
static Register<TestSplit> const split_registered;

}  // namespace kvstone
