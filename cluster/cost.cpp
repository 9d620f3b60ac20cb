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
constexpr double around_s_per_byte = 8e-9;  // making or reading the tensor, and comparing the decoded one
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

bool runs_model(Cell const& cell) { return cell.workload == "model" || cell.workload == "tasks"; }

/// Of workloads that run a model: the tokens that it reads, in batches; a step alone takes as long as three of a batch.
double tokens_read(Cell const& cell, double context) {
    constexpr double proof_tokens = 832, passages = 8, published_items = 500, generated_items = 96;
    constexpr double tokens_of_published_item = 80, tokens_of_generated_item = 16;
    auto const option = [&](char const* name, double by_default) {
        auto const given = number(cell.options, name);
        return given > 0 ? given : by_default;
    };
    bool const steps = cell.options.value("protocol", "") == "decode";
    if (cell.workload == "model")
        return proof_tokens + option("passages", passages) * option("continuation", context) * (steps ? 2 * 3 : 1);
    bool const published = cell.options.contains("file");
    return proof_tokens + option("items", published ? published_items : generated_items) *
                              (published ? tokens_of_published_item : tokens_of_generated_item) * (steps ? 3 : 1);
}

double model_passes_s(Cell const& cell) {
    constexpr double s_per_byte = 2.2e-11;    // of the model's file, a token without a context
    constexpr double context_as_long = 1400;  // reading its K and V takes as long as everything else
    auto const context = cell.context == 0 ? tokens_of_unknown_text : static_cast<double>(cell.context);
    return tokens_read(cell, context) * s_per_byte * file_bytes(cell) * (1 + context / context_as_long);
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
    if (runs_model(cell)) return around_s + model_passes_s(cell) + (measure.timing ? probe_s : 0);
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
