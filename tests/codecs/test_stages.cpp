// Stages that only the tests have: one of each kind, to show that the frame needs nothing but a file. They use what the
// first stages do not: side planes of a transform, a quantiser of f32 alone with a required option and a second format
// version, codes that are no bits, an entropy stage with two outputs.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Subtracts the section's first vector from every vector. Plane, codebooks: that vector, dim f32.
struct TestOffset : Transform {
    static StageInfo info() {
        StageInfo info;
        info.name = "test-offset";
        info.summary = "subtracts the first vector";
        info.engines = {{.differs = "of tests"}};
        info.examples = {"test-offset | raw", "test-offset | test-offset | int8 | zstd"};
        info.idle_bytes = {0.5, "adding the first vector back rounds the lowest bits of a value away"};
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
        info.side_bits = {4, "16 bits are stored of 12"};
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

/// Three levels, -s, 0 and s = 1.5 times the mean magnitude of a vector, five to a byte as digits of base 3. Planes,
/// payload: s as f32, then the digits, each vector from a byte of its own. NaN counts as 0.
struct TestTrits : Quantiser {
    static constexpr std::uint64_t digits = 5;

    static StageInfo info() {
        StageInfo info;
        info.name = "test-trits";
        info.summary = "three levels, five values a byte";
        info.engines = {{.differs = "of tests"}};
        info.non_finite = NonFinite::saturated;
        info.examples = {"test-trits"};
        info.side_bits = {0.525, "an fp32 scale for 64 values, and a digit that fills up the last byte"};
        return info;
    }
    explicit TestTrits(Options const&) {}
    KOKKOS_FUNCTION static std::uint64_t row_bytes(std::uint64_t dim) {
        return sizeof(float) + (dim + digits - 1) / digits;
    }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const row = row_bytes(section.shape.dim);
        return {{LedgerLine::payload, section.shape.vectors() * row, false, 1, row}};
    }
    double nominal_bits(Section const&) const { return 1.6; }
    KOKKOS_FUNCTION static float scale_of(float const* values, std::uint64_t dim) {
        double sum = 0;
        for (std::uint64_t c = 0; c < dim; ++c) sum += std::isfinite(values[c]) ? std::fabs(double{values[c]}) : 0;
        return static_cast<float>(std::fmin(1.5 * sum / static_cast<double>(dim), double{FLT_MAX}));
    }
    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> values, Planes planes, Workspace) const {
        auto const shape = values.shape;
        auto* const data = planes[0].data;
        Kokkos::parallel_for(
            "trits", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const vector = static_cast<std::uint64_t>(i);
                auto const head = vector / shape.tokens;
                auto const* const from = values.vector(head / shape.heads, head % shape.heads, vector % shape.tokens);
                auto* const row = data + vector * row_bytes(shape.dim);
                float const scale = scale_of(from, shape.dim);
                std::memcpy(row, &scale, sizeof(scale));
                for (std::uint64_t first = 0; first < shape.dim; first += digits) {
                    unsigned code = 0;
                    for (auto c = std::min(first + digits, shape.dim); c-- > first;) {
                        code = code * 3 + (from[c] > scale / 2 ? 2U : from[c] < -scale / 2 ? 0U : 1U);
                    }
                    row[sizeof(float) + first / digits] = static_cast<std::byte>(code);
                }
            });
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        auto const shape = values.shape;
        auto const* const data = planes[0].data;
        Kokkos::parallel_for(
            "trits", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const vector = static_cast<std::uint64_t>(i);
                auto const head = vector / shape.tokens;
                auto* const to = values.vector(head / shape.heads, head % shape.heads, vector % shape.tokens);
                auto const* const row = data + vector * row_bytes(shape.dim);
                float scale = 0;
                std::memcpy(&scale, row, sizeof(scale));
                for (std::uint64_t c = 0; c < shape.dim; ++c) {
                    auto code = static_cast<unsigned>(row[sizeof(float) + c / digits]);
                    for (auto digit = c % digits; digit > 0; --digit) code /= 3;
                    to[c] = code % 3 == 1 ? 0.0F : code % 3 == 2 ? scale : -scale;
                }
            });
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        auto const dim = section.shape.dim;
        for (std::uint64_t i = 0; i < section.shape.values(); ++i) {
            double const scale = scale_of(values + i / dim * dim, dim);
            double const magnitude = std::fabs(double{values[i]});
            bounds[i] = std::fmax(scale / 2, magnitude - scale) * (1 + 0x1p-20) + 0x1p-149;
        }
    }
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
static Register<TestTrits> const trits_registered;
static Register<TestSplit> const split_registered;

}  // namespace kvstone
