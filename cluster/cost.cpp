#include "cluster/cost.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace kvstone {
namespace {

constexpr double start_s = 0.3;
constexpr double probe_s = 1.5;
constexpr double around_s_per_byte = 8e-9;  // making or reading the tensor, and comparing what comes back
constexpr double pass_bytes_per_s = 1e9;
constexpr double model_bytes_per_token_byte = 32768;
constexpr double tokens_of_unknown_text = 4096;

double number(Json const& json, char const* key) {
    auto const at = json.find(key);
    return at != json.end() && at->is_number() ? at->get<double>() : 0;
}

double file_bytes(Cell const& cell) {
    auto const path = cell.locator.is_object() ? cell.locator.value("path", "") : "";
    std::error_code unreadable;
    auto const bytes = std::filesystem::file_size(path, unreadable);
    return unreadable ? 0 : static_cast<double>(bytes);
}

double tensor_bytes(Cell const& cell) {
    auto const kind = cell.source.is_object() ? cell.source.value("kind", "") : "";
    auto const batch = static_cast<double>(cell.batch);
    auto const tokens = static_cast<double>(cell.context);
    if (kind == "synthetic")
        return batch * tokens * 2 * sizeof(float) * number(cell.source, "layers") * number(cell.source, "kv_heads") *
               number(cell.source, "head_dim");
    if (kind == "model")
        return batch * (cell.context == 0 ? tokens_of_unknown_text : tokens) * file_bytes(cell) /
               model_bytes_per_token_byte;
    return batch * file_bytes(cell);
}

}  // namespace

double planned_cost_s(Cell const& cell, Measure const& measure) {
    double const bytes = tensor_bytes(cell);
    double const pass_s = bytes / pass_bytes_per_s;
    double const around_s = start_s + around_s_per_byte * bytes;
    if (!measure.timing) return around_s + 2 * pass_s;
    return around_s + probe_s + 2 * measure.warm_up() +
           std::max(4 * measure.min_time_s, 2 * measure.repetitions * pass_s);
}

EstimateSources estimate_costs(std::vector<WorkItem>& items, History const& history) {
    std::map<std::string, std::vector<double>> scales;  // recorded over guessed, by workload
    for (auto& item : items) {
        item.estimated_s = planned_cost_s(item.cell, item.measure);
        auto const recorded = history.cells.find(item.cell.id);
        if (recorded == history.cells.end()) continue;
        scales[item.cell.workload].push_back(recorded->second.cost_s / item.estimated_s);
        if (item.measure.timing && item.measure.placement == Placement::pinned)
            item.pinned_host = recorded->second.host;
    }
    for (auto& [workload, all] : scales)
        std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());

    EstimateSources sources;
    for (auto& item : items) {
        auto const recorded = history.cells.find(item.cell.id);
        auto const scale = scales.find(item.cell.workload);
        if (recorded != history.cells.end()) {
            item.estimated_s = recorded->second.cost_s;
            ++sources.recorded;
        } else if (scale != scales.end()) {
            item.estimated_s *= scale->second[scale->second.size() / 2];
            ++sources.scaled;
        } else {
            ++sources.guessed;
        }
    }
    return sources;
}

}  // namespace kvstone
