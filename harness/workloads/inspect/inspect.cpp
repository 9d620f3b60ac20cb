#include "harness/workloads/inspect/inspect.hpp"

#include <map>

#include "harness/inspection/layer_facts.hpp"
#include "harness/inspection/spread.hpp"
#include "harness/sources/rope.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/figure_writer.hpp"

namespace kvstone {
namespace {

constexpr double most_of_the_energy = 0.9;

/// Of one head.
struct HeadFigures {
    HeadSums sums;
    std::vector<double> variances;
};

std::vector<std::pair<char const*, std::optional<double>>> figures_of(HeadFigures const& head, KvShape const& shape) {
    auto const rank = rank_of_energy(head.variances, most_of_the_energy);
    return {{"channel_variance_ratio", channel_variance_ratio(head.sums, shape)},
            {"channel_second_moment_ratio", channel_second_moment_ratio(head.sums, shape)},
            {"channel_mean_energy", mean_energy(std::span(&head.sums, 1), shape)},
            {"pca_eigenvalue_ratio", eigenvalue_ratio(head.variances)},
            {"pca_rank_90", rank ? std::optional(static_cast<double>(*rank)) : std::nullopt},
            {"duplicate_rows", static_cast<double>(head.sums.duplicate_rows) / static_cast<double>(shape.tokens)}};
}

void add_tensor(std::string const& component, HostTensor const& tensor, Measurement& measurement) {
    auto const& shape = tensor.shape;
    if (shape.values() == 0) throw CorruptData("a tensor without values");
    std::vector<HeadFigures> heads(shape.layers * shape.heads);
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < heads.size(); ++group) {
        heads[group].sums = sum_head(tensor, group);
        heads[group].variances = principal_variances(tensor, group, heads[group].sums);
    }
    std::map<std::string, std::vector<double>> known;
    std::vector<HeadSums> sums;
    std::uint64_t duplicates = 0;
    for (std::uint64_t group = 0; group < heads.size(); ++group) {
        auto const layer = static_cast<int>(group / shape.heads);
        auto const head = static_cast<int>(group % shape.heads);
        for (auto const& [metric, value] : figures_of(heads[group], shape)) {
            if (!value) continue;
            measurement.profiles.push_back({component, metric, layer, head, -1, *value});
            known[metric].push_back(*value);
        }
        std::int64_t rank = 0;
        for (auto const share : energy_by_rank(heads[group].variances))
            measurement.profiles.push_back({component, "pca_energy", layer, head, ++rank, share});
        duplicates += heads[group].sums.duplicate_rows;
        sums.push_back(std::move(heads[group].sums));
    }
    FigureWriter figures(measurement, component);
    figures.add("duplicate_rows", static_cast<double>(duplicates) / static_cast<double>(shape.vectors()),
                shape.vectors(), {});
    figures.add("channel_mean_energy", mean_energy(sums, shape));
    for (auto const* metric :
         {"channel_variance_ratio", "channel_second_moment_ratio", "pca_eigenvalue_ratio", "pca_rank_90"}) {
        auto const& values = known[metric];
        if (values.empty())
            figures.add(metric, std::nullopt);
        else
            figures.add(metric, upper_median(values), values.size(), {});
    }
}

}  // namespace

void run_inspect(AttemptRequest const& request, Measurement& measurement) {
    auto tensors = load_cell_tensors(request, {.k_prerope = true}, measurement);
    auto before_rope = std::exchange(tensors.k_prerope, std::nullopt);
    if (!before_rope && tensors.k && tensors.rope) before_rope = rotate(*tensors.k, *tensors.rope, true);
    take_k_and_v(tensors, [&](Component component, HostTensor const& tensor) {
        add_tensor(std::string(name_of(component)), tensor, measurement);
    });
    if (before_rope) add_tensor("k_prerope", *before_rope, measurement);
    add_memory_peaks(measurement);
}

}  // namespace kvstone
