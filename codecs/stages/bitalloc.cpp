// bitalloc: components in groups, each with the number of bits that loses least within a budget.
//
// Purpose    behind principal axes (`lowrank:basis=pca`, `basis=prompt`) components are of very unequal size: the first want
//            many bits, most of the others none.
// Source     "KVTC: KV Cache Transform Coding", ICLR 2026: dynamic programming over groups of 16, 64, 256 or 1024
//            components, none, int2, int4 or fp8 each, with a shift and a scale of 16 bits a token and group. Its
//            groups of one component, too, with singles=yes: the shift alone is such a value; the code and the scale,
//            which are paid for, have no effect, and the value comes back rounded to binary16.
// Budget     floor(bits x dim) a token of a layer and head: a group of g components costs g b + 32, one of type none
//            nothing. The loss of a group is its squared error in up to 256 tokens of this section (64 with
//            singles=yes, where there are many more groups), evenly spaced. The last group may be shorter.
// Options    bits=N      a value, shifts and scales among them
//            singles=no|yes  whether one component may be a group, and every group start anywhere, as in KVTC; else
//                            they start at multiples of 16
// Codes      of a token's group with finite values from l to m: int: shift l, scale (m - l) / (2^b - 1), the nearest of 0 to
//            2^b - 1; fp8: shift (l + m) / 2, scale (m - l) / 896, the nearest number of E4M3. Both are rounded to binary16
//            first, within +-65504.
// Planes     payload: for each layer, head and token the codes of all groups one behind the other, the lowest bit of a byte
//            first, filled up to a whole byte
//            scales: for each layer, head and token, for each group that is not none, shift and scale, little-endian
//            codebooks: for each layer and head the number of groups, 2 bytes, and for each a byte: 4 times the index of its
//            size among 16, 64, 256, 1024, 1 plus its type, 0 none, 1 int2, 2 int4, 3 fp8
// Example    bits=16, a token (0, 1, 2, 3): one group of 16, which 4 components fill, in int2: payload e4; scales 00 00
//            00 3c; codebooks 01 00 01
// Error      of none |x|; of int half a scale, of fp8 half a step of E4M3 times the scale, or the distance beyond the
//            last code; 2^-22 of |x| + |shift| for the arithmetic.
// NaN, Inf, denormals: NaN is coded as 0, Inf as the end of its group; denormals are values as any other.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/runs.hpp"
#include "codecs/kernels/bit_allocation.hpp"
#include "codecs/kernels/coded_group.hpp"
#include "codecs/kernels/host_values.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Groups of one layer and head, as kernels read them.
struct PlannedGroup {
    std::uint32_t first;
    std::uint32_t size;
    std::uint32_t type;
    std::uint32_t bit;    ///< of a token's codes
    std::uint32_t scale;  ///< which of a token's scales
};
struct PlannedHead {
    std::uint64_t payload;  ///< first byte
    std::uint64_t scales;   ///< first scale
    std::uint64_t groups;   ///< first group
    std::uint32_t group_count;
    std::uint32_t row_bytes;   ///< codes of a token
    std::uint32_t row_scales;  ///< scales of a token
};

class BitAllocation : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "bitalloc";
        info.summary = "gives groups of components the bits that lose least within a budget";
        info.source = "KVTC (ICLR 2026), dynamic programming over groups";
        info.non_finite = NonFinite::saturated;
        info.engines = {{.differs = "no engine allots bits to components"}};
        info.fixed_rate = false;
        info.options = {number_option("bits", std::nullopt, 0, 16, true, "a value, shifts and scales among them"),
                        choice_option("singles", "no", {"no", "yes"}, "whether one component may be a group")};
        info.examples = {"bitalloc:bits=4", "bitalloc:bits=5,singles=yes",
                         "lowrank:rank=0.75,basis=random | bitalloc:bits=6"};
        return info;
    }
    explicit BitAllocation(Options const& options)
        : bits_(options.number("bits")), singles_(options.choice("singles") == "yes") {}

    std::uint64_t page_tokens(Section const&) const { return 0; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const& shape = section.shape;
        auto const heads = shape.layers * shape.heads;
        auto const budget = budget_of(shape);
        if (shape.dim > most_components || (shape.dim + 1) * (budget + 1) > most_states) {
            throw NotApplicable(
                "bitalloc has fewer components and bits to allot", fmt::format("{} and {}", shape.dim, budget),
                {fmt::format("up to {} components, and components times bits up to {}", most_components, most_states)});
        }
        return {{LedgerLine::payload, heads * shape.tokens * ((budget + 7) / 8), true, 1, 0},
                {LedgerLine::scales, heads * shape.tokens * (budget / 32) * sizeof(GroupScale), true, 2, 0},
                {LedgerLine::codebooks, heads * (2 + shape.dim), true, 1, 0}};
    }
    double nominal_bits(Section const&) const { return bits_; }
    std::size_t workspace_bytes(Section const& section) const {
        auto const heads = section.shape.layers * section.shape.heads;
        return heads * (sizeof(PlannedHead) + section.shape.dim * sizeof(PlannedGroup));
    }
    double encode_reads(Section const&) const { return 2; }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> values, Planes planes,
                Workspace workspace) const {
        if constexpr (runs_on_host<Space>) {
            space.fence();
            allot(values);
        } else {
            auto const copy = values_on_host(backend_of<Space>, values);
            allot({copy.data(), values.shape, KvStrides::packed(values.shape)});
        }
        plan(values.shape);
        copy_to_backend(backend_of<Space>, planes[2].data, table_.data(), table_.size());
        planes[0].bytes = payload_bytes_;
        planes[1].bytes = scales_ * sizeof(GroupScale);
        planes[2].bytes = table_.size();
        place_plan(space, workspace);
        code_groups(space, values, planes[0].data, planes[1].as<GroupScale>(), workspace);
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values,
                Workspace workspace) const {
        table_.resize(planes[2].bytes);
        copy_to_host(backend_of<Space>, table_.data(), planes[2].data, planes[2].bytes);
        plan(values.shape);
        if (planes[0].bytes != payload_bytes_ || planes[1].bytes != scales_ * sizeof(GroupScale))
            throw CorruptData("bitalloc: planes have other sizes than the groups that they hold");
        place_plan(space, workspace);
        rebuild_groups(space, values, planes[0].data, planes[1].as<GroupScale>(), workspace);
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

    template <class Space>
    void code_groups(Space const& space, KvSpan<float const> values, std::byte* payload, GroupScale* scales,
                     std::byte const* plan) const {
        auto const* const heads = reinterpret_cast<PlannedHead const*>(plan);
        auto const* const groups = reinterpret_cast<PlannedGroup const*>(heads + heads_.size());
        auto const shape = values.shape;
        Kokkos::parallel_for(
            "code_groups", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const token = static_cast<std::uint64_t>(i) % shape.tokens;
                auto const column = static_cast<std::uint64_t>(i) / shape.tokens;
                auto const head = heads[column];
                auto const* const from = values.vector(column / shape.heads, column % shape.heads, token);
                auto* const row = reinterpret_cast<std::uint8_t*>(payload + head.payload + token * head.row_bytes);
                for (std::uint32_t b = 0; b < head.row_bytes; ++b) row[b] = 0;
                for (std::uint32_t g = 0; g < head.group_count; ++g) {
                    auto const group = groups[head.groups + g];
                    if (group.type == dropped_group) continue;
                    auto const scale = group_scale(from + group.first, group.size, group.type);
                    scales[head.scales + token * head.row_scales + group.scale] = scale;
                    auto bit = group.bit;
                    for (std::uint32_t c = 0; c < group.size; ++c, bit += group_code_bits(group.type)) {
                        auto const code = scale.code(from[group.first + c], group.type) << (bit % 8);
                        row[bit / 8] = static_cast<std::uint8_t>(row[bit / 8] | (code & 255U));
                        if (code > 255U) row[bit / 8 + 1] = static_cast<std::uint8_t>(code >> 8);
                    }
                }
            });
    }
    template <class Space>
    void rebuild_groups(Space const& space, KvSpan<float> values, std::byte const* payload, GroupScale const* scales,
                        std::byte const* plan) const {
        auto const* const heads = reinterpret_cast<PlannedHead const*>(plan);
        auto const* const groups = reinterpret_cast<PlannedGroup const*>(heads + heads_.size());
        auto const shape = values.shape;
        Kokkos::parallel_for(
            "rebuild_groups", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const token = static_cast<std::uint64_t>(i) % shape.tokens;
                auto const column = static_cast<std::uint64_t>(i) / shape.tokens;
                auto const head = heads[column];
                auto* const to = values.vector(column / shape.heads, column % shape.heads, token);
                auto const* const row =
                    reinterpret_cast<std::uint8_t const*>(payload + head.payload + token * head.row_bytes);
                for (std::uint32_t g = 0; g < head.group_count; ++g) {
                    auto const group = groups[head.groups + g];
                    if (group.type == dropped_group) {
                        for (std::uint32_t c = 0; c < group.size; ++c) to[group.first + c] = 0;
                        continue;
                    }
                    auto const scale = scales[head.scales + token * head.row_scales + group.scale];
                    auto const bits = group_code_bits(group.type);
                    auto bit = group.bit;
                    for (std::uint32_t c = 0; c < group.size; ++c, bit += bits) {
                        std::uint32_t code = row[bit / 8];
                        if (bit % 8 + bits > 8) code |= static_cast<std::uint32_t>(row[bit / 8 + 1]) << 8;
                        to[group.first + c] = scale.value((code >> (bit % 8)) & ((1U << bits) - 1), group.type);
                    }
                }
            });
    }

  private:
    static constexpr std::uint64_t most_components = 4096;
    static constexpr std::uint64_t most_states = std::uint64_t{1} << 24;
    std::uint64_t judged_tokens() const { return singles_ ? 64 : 256; }

    std::uint64_t budget_of(KvShape const& shape) const {
        return static_cast<std::uint64_t>(bits_ * static_cast<double>(shape.dim) + 1e-9);
    }
    /// Fills the table of groups for values in host memory.
    void allot(KvSpan<float const> values) const;
    /// Reads the table. Throws CorruptData.
    void plan(KvShape const& shape) const;
    template <class Space>
    void place_plan(Space const&, Workspace workspace) const {
        auto const bytes = heads_.size() * sizeof(PlannedHead);
        copy_to_backend(backend_of<Space>, workspace, reinterpret_cast<std::byte const*>(heads_.data()), bytes);
        copy_to_backend(backend_of<Space>, workspace + bytes, reinterpret_cast<std::byte const*>(groups_.data()),
                        groups_.size() * sizeof(PlannedGroup));
    }

    /// As the table numbers them.
    static inline std::vector<std::uint64_t> const sizes{16, 64, 256, 1024, 1};
    static inline std::vector<std::uint64_t> const usual_sizes{16, 64, 256, 1024};
    static inline std::vector<std::uint64_t> const all_sizes{1, 16, 64, 256, 1024};
    static inline std::vector<AllocationType> const types{{0, 0}, {2, 32}, {4, 32}, {8, 32}};

    double bits_;
    bool singles_;
    // Of the call that is under way: one at a time, as with the scratch of a tensor.
    mutable BitAllocator allocator_;
    mutable std::vector<std::byte> table_;
    mutable std::vector<PlannedHead> heads_;
    mutable std::vector<PlannedGroup> groups_;
    mutable std::uint64_t payload_bytes_ = 0;
    mutable std::uint64_t scales_ = 0;
};

void BitAllocation::allot(KvSpan<float const> values) const {
    auto const& shape = values.shape;
    auto const every = (shape.tokens + judged_tokens() - 1) / judged_tokens();
    table_.clear();
    for (std::uint64_t column = 0; column < shape.layers * shape.heads; ++column) {
        auto const loss = [&](std::uint64_t first, std::uint64_t size, std::size_t type) {
            double lost = 0;
            for (std::uint64_t token = 0; token < shape.tokens; token += every) {
                auto const* const x = values.vector(column / shape.heads, column % shape.heads, token) + first;
                auto const kind = static_cast<std::uint32_t>(type);
                auto const scale = group_scale(x, static_cast<std::uint32_t>(size), kind);
                for (std::uint64_t c = 0; c < size; ++c) {
                    if (!std::isfinite(x[c])) continue;
                    auto const wrong = static_cast<double>(x[c]) -
                                       (kind == dropped_group ? 0.0 : scale.value(scale.code(x[c], kind), kind));
                    lost += wrong * wrong;
                }
            }
            return lost;
        };
        auto const& groups = allocator_.allocate(shape.dim, budget_of(shape), singles_ ? all_sizes : usual_sizes,
                                                 singles_ ? 1 : usual_sizes.front(), types, loss);
        table_.push_back(static_cast<std::byte>(groups.size() & 255U));
        table_.push_back(static_cast<std::byte>(groups.size() >> 8));
        for (auto const& group : groups) {
            auto const size = std::ranges::find_if(sizes, [&](auto wanted) {
                return std::min<std::uint64_t>(wanted, shape.dim - group.first) == group.size;
            });
            table_.push_back(static_cast<std::byte>(4 * (size - sizes.begin()) + group.type));
        }
    }
}

void BitAllocation::plan(KvShape const& shape) const {
    auto const require = [](bool holds) {
        if (!holds) throw CorruptData("bitalloc: the table of groups is broken");
    };
    heads_.clear();
    groups_.clear();
    payload_bytes_ = 0;
    scales_ = 0;
    std::size_t at = 0;
    for (std::uint64_t column = 0; column < shape.layers * shape.heads; ++column) {
        require(at + 2 <= table_.size());
        auto const count = std::to_integer<std::uint32_t>(table_[at]) | std::to_integer<std::uint32_t>(table_[at + 1])
                                                                            << 8;
        at += 2;
        require(at + count <= table_.size() && count <= shape.dim);
        PlannedHead head{payload_bytes_, scales_, groups_.size(), count, 0, 0};
        std::uint64_t covered = 0;
        std::uint32_t bit = 0;
        for (std::uint32_t g = 0; g < count; ++g) {
            auto const byte = std::to_integer<std::uint32_t>(table_[at++]);
            require(byte / 4 < sizes.size() && covered < shape.dim);
            auto const size = static_cast<std::uint32_t>(std::min(sizes[byte / 4], shape.dim - covered));
            groups_.push_back({static_cast<std::uint32_t>(covered), size, byte % 4, bit, head.row_scales});
            covered += size;
            bit += size * group_code_bits(byte % 4);
            head.row_scales += byte % 4 != dropped_group;
        }
        require(covered == shape.dim);
        head.row_bytes = (bit + 7) / 8;
        payload_bytes_ += shape.tokens * head.row_bytes;
        scales_ += shape.tokens * head.row_scales;
        heads_.push_back(head);
    }
    require(at == table_.size());
}

void BitAllocation::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const& shape = section.shape;
    allot({values, shape, KvStrides::packed(shape)});
    plan(shape);
    for (std::uint64_t vector = 0; vector < shape.vectors(); ++vector) {
        auto const& head = heads_[vector / shape.tokens];
        for (std::uint32_t g = 0; g < head.group_count; ++g) {
            auto const& group = groups_[head.groups + g];
            auto const* const x = values + vector * shape.dim + group.first;
            auto* const bound = bounds + vector * shape.dim + group.first;
            auto const scale = group_scale(x, group.size, group.type);
            auto const shift = static_cast<double>(to_float(scale.shift));
            auto const step = static_cast<double>(to_float(scale.scale));
            for (std::uint32_t c = 0; c < group.size; ++c) {
                auto const value = static_cast<double>(x[c]);
                if (group.type == dropped_group) {
                    bound[c] = std::fabs(value);
                    continue;
                }
                bool const fp8 = group.type == fp8_group;
                auto const most = fp8 ? 448.0 : static_cast<double>((1U << group_code_bits(group.type)) - 1);
                auto const low = fp8 ? shift - most * step : shift;
                auto const high = shift + most * step;
                auto const rounding =
                    fp8 ? step * small_float_rounding<E4M3>(step > 0 ? std::fabs(value - shift) / step : 0) : step / 2;
                bound[c] = std::max({rounding, low - value, value - high}) +
                           std::ldexp(std::fabs(value) + std::fabs(shift), -22) + std::ldexp(1.0, -147);
            }
        }
    }
}

static Register<BitAllocation> const registered;

}  // namespace kvstone
