// int_lowrank: integers, and the strongest directions of their error.
//
// Purpose    the error of a coarse quantiser is not noise where unlike tokens or channels share scales: a few
//            of its directions, stored for all tokens of a head together, are cheap. Behind `outliers` it is GEAR.
// Source     Kang et al., "GEAR: An Efficient KV Cache Compression Recipe for Near-Lossless Generative Inference", 2024,
//            section 3: x' = Q(x) + L R^T, by power iteration, as in its code (gearlkivi; with `outliers` before,
//            gearslkivi). Its simulation takes b^2 - 1 steps for b bits, which is right for 2 and 4 alone; here they are
//            2^b - 1.
// Gain       of a residual that is white, r components of T tokens and d channels are at most r (1 + sqrt(d / T))^2 /
//            d: 4.9% of its energy for r = 4, T = 2048, d = 128, at .53 bits a value, for which Q would remove half of it.
// Planes     those of int:bits=b,scheme=asymmetric,axis=A,group=G,scale=S (int.cpp), then
//            codebooks: L, binary16, [layer, head, token, component]
//            codebooks: R^T, binary16 within +-65504, [layer, head, component, channel]
//            Both little-endian. L has orthonormal columns whose entry of the largest magnitude is positive. A head
//            with fewer tokens or channels than r has as many components.
// Options    bits=b, axis=token|channel, group=N, scale=S   of int
//            rank=r    components
//            rounds=N  of power iteration; 3 in GEAR's code
// Example    bits=2,axis=token,rank=1, tokens (0, 3.75, 6, 9) and (0, 5, 8, 12): codes 0 1 2 3 of steps 3 and 4 leave
//            .75 and 1 in the second channel: L = (.6, .8), R^T = (0, 1.25, 0, 0):
//              payload   e4 e4    scales 00 42 00 44    zeros 00 00 00 00
//              codebooks cd 38 66 3a    codebooks 00 00 00 3d 00 00 00 00
// Error      |x - Q(x) - L R^T| with both as stored, which is known after encoding; x - Q(x) within the bound of int; and
//            2^-22 of the magnitudes that are summed up.
// NaN, Inf, denormals: as in int, and not in L R^T, whose part of such a value is added nevertheless.

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/kernels/residual_factors.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/register_stage.hpp"
#include "codecs/registry.hpp"

namespace kvstone {

class IntLowRank : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "int_lowrank";
        info.summary = "b-bit integers, and the strongest directions of their error";
        info.source = "GEAR (Kang et al. 2024), section 3, low-rank part, as shipped";
        info.non_finite = NonFinite::any;
        info.engines = {{.differs = "no engine stores the error of a quantiser"}};
        info.options = {
            integer_option("bits", std::nullopt, 1, 12, "bits of a code"),
            choice_option("axis", std::nullopt, {"channel", "token"}, "the values that share a scale"),
            integer_option("group", 0, 0, 4096, "tokens (axis=channel) or channels (axis=token) of a group; 0 is all"),
            integer_option("rank", std::nullopt, 1, 64, "components kept of the error"),
            integer_option("rounds", 3, 1, 32, "of power iteration"),
            scale_option(),
        };
        info.examples = {"int_lowrank:bits=2,axis=channel,group=32,rank=4",
                         "int_lowrank:bits=4,axis=token,rank=2 | zstd",
                         "outliers:fraction=0.02 | int_lowrank:bits=3,axis=token,group=32,rank=5,rounds=1"};
        info.side_bits = {3.02,
                          "scales and zero points of 32 values, factors of rank 5 over 4096 tokens, and outliers"};
        return info;
    }
    explicit IntLowRank(Options const& options)
        : integers_(integers(options)),
          rank_(static_cast<std::uint64_t>(options.integer("rank"))),
          rounds_(static_cast<std::uint64_t>(options.integer("rounds"))) {}

    std::uint64_t page_tokens(Section const&) const { return 0; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto specs = integers_->planes(section);
        auto const& shape = section.shape;
        auto const components = shape.layers * shape.heads * rank_of(shape);
        specs.push_back({LedgerLine::codebooks, components * shape.tokens * sizeof(Float16), false, 2, 0});
        specs.push_back({LedgerLine::codebooks, components * shape.dim * sizeof(Float16), false, 2, 0});
        return specs;
    }
    double nominal_bits(Section const& section) const { return integers_->nominal_bits(section); }
    std::size_t workspace_bytes(Section const& section) const {
        auto const& shape = section.shape;
        auto const rank = rank_of(shape);
        auto const doubles = FactorResiduals::doubles(shape, rank) * sizeof(double);
        auto const some_heads = heads_at_a_time(shape) * (doubles + shape.tokens * shape.dim * sizeof(float));
        auto const widened = shape.layers * shape.heads * rank * shape.dim * sizeof(float);
        return own_offset(section) + std::max(some_heads, widened);
    }

    template <class Space>
    void encode(Space const& space, Section const& section, KvSpan<float const> values, Planes planes,
                Workspace workspace) const {
        auto const kind = backend_of<Space>;
        auto const& shape = values.shape;
        auto const coded = planes.first(planes.size() - 2);
        integers_->encode(kind, section, {const_cast<float*>(values.data), ElementType::f32, shape, values.strides},
                          coded, workspace);
        auto const all = shape.layers * shape.heads;
        auto const at_a_time = heads_at_a_time(shape);
        auto* const memory = reinterpret_cast<double*>(workspace + own_offset(section));
        auto const rank = rank_of(shape);
        auto* const decoded = reinterpret_cast<float*>(memory + at_a_time * FactorResiduals::doubles(shape, rank));
        for (std::uint64_t first = 0; first < all; first += at_a_time) {
            // Integers of a head lie beside each other in each plane, the heads of all layers one behind the other.
            auto part = section;
            part.shape = {1, std::min(at_a_time, all - first), shape.tokens, shape.dim};
            std::array<ConstPlane, 3> own{};
            for (std::size_t i = 0; i < coded.size(); ++i) {
                auto const of_head = coded[i].bytes / all;
                own[i] = {coded[i].data + first * of_head, part.shape.heads * of_head};
            }
            KvSpan<float> const left_over{decoded, part.shape, KvStrides::packed(part.shape)};
            integers_->decode(kind, part, own, {decoded, ElementType::f32, part.shape, left_over.strides}, workspace);
            Kokkos::parallel_for(
                "factor_residuals", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(part.shape.heads)),
                FactorResiduals{values, left_over, planes[coded.size()].template as<Float16>(),
                                planes[coded.size() + 1].template as<Float16>(), memory, first, rank, rounds_});
        }
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<float> values,
                Workspace workspace) const {
        auto const& shape = values.shape;
        auto const coded = planes.first(planes.size() - 2);
        integers_->decode(backend_of<Space>, section, coded, {values.data, ElementType::f32, shape, values.strides},
                          workspace);
        auto const rank = rank_of(shape);
        auto* const right = reinterpret_cast<float*>(workspace + own_offset(section));
        auto const count = shape.layers * shape.heads * rank * shape.dim;
        Kokkos::parallel_for("widen_factors", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(count)),
                             WidenFactors{planes[coded.size() + 1].template as<Float16>(), right});
        Kokkos::parallel_for("add_factors",
                             Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors())),
                             AddFactors{values, planes[coded.size()].template as<Float16>(), right, rank});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    /// Heads whose residuals are held at a time: a number of the shape alone.
    static std::uint64_t heads_at_a_time(KvShape const& shape) {
        return std::clamp<std::uint64_t>(shape.layers * shape.heads, 1, 16);
    }
    static std::unique_ptr<DynamicQuantiser> integers(Options const& options) {
        auto const& entry = stage_registry().at("int");
        return entry.make_quantiser(Options("int", entry.info.options,
                                            {{"bits", options.values().at("bits")},
                                             {"scheme", "asymmetric"},
                                             {"axis", options.choice("axis")},
                                             {"group", options.values().at("group")},
                                             {"scale", options.choice("scale")}}));
    }
    std::uint64_t rank_of(KvShape const& shape) const { return std::min({rank_, shape.tokens, shape.dim}); }
    /// Where in the workspace that of the integers ends.
    std::size_t own_offset(Section const& section) const {
        return (integers_->workspace_bytes(section) + 255) / 256 * 256;
    }

    std::unique_ptr<DynamicQuantiser> integers_;
    std::uint64_t rank_;
    std::uint64_t rounds_;
};

void IntLowRank::error_bounds(Section const& section, float const* values, double* bounds) const {
    integers_->error_bounds(section, values, bounds);
    auto const& shape = section.shape;
    auto const strides = KvStrides::packed(shape);
    std::vector<std::vector<std::byte>> memory;
    std::vector<Plane> planes;
    std::vector<ConstPlane> stored;
    for (auto const& spec : this->planes(section)) {
        memory.emplace_back(spec.bytes);
        planes.push_back({memory.back().data(), spec.bytes});
        stored.push_back({memory.back().data(), spec.bytes});
    }
    Buffer const workspace(BackendKind::openmp, workspace_bytes(section));
    Kokkos::DefaultHostExecutionSpace const space;
    encode(space, section, {values, shape, strides}, planes, workspace.data());
    std::vector<float> coded(shape.values());
    integers_->decode(BackendKind::openmp, section, ConstPlanes(stored).first(stored.size() - 2),
                      {coded.data(), ElementType::f32, shape, strides}, workspace.data());
    space.fence();
    auto const rank = rank_of(shape);
    auto const* const left = stored[stored.size() - 2].as<Float16>();
    auto const* const right = stored[stored.size() - 1].as<Float16>();
    for (std::uint64_t i = 0; i < shape.values(); ++i) {
        auto const vector = i / shape.dim;
        double added = 0;
        double magnitudes = std::fabs(static_cast<double>(coded[i]));
        for (std::uint64_t j = 0; j < rank; ++j) {
            auto const part =
                static_cast<double>(to_float(left[vector * rank + j])) *
                static_cast<double>(to_float(right[(vector / shape.tokens * rank + j) * shape.dim + i % shape.dim]));
            added += part;
            magnitudes += std::fabs(part);
        }
        auto const lacking =
            std::clamp(static_cast<double>(values[i]) - static_cast<double>(coded[i]), -bounds[i], bounds[i]);
        bounds[i] = std::fabs(lacking - added) + std::ldexp(magnitudes, -22) + std::ldexp(1.0, -147);
    }
}

static Register<IntLowRank> const registered;

}  // namespace kvstone
