// The tables of `kvstone list`, as programs get them with --json: their columns are stable.

#include "harness/cli/list_tables.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/backend.hpp"
#include "codecs/codec.hpp"
#include "codecs/engines.hpp"
#include "codecs/text/presets.hpp"
#include "harness/planning/vocabulary.hpp"
#include "harness/sources/data.hpp"
#include "harness/sources/known_models.hpp"
#include "harness/sources/shapes.hpp"
#include "harness/sources/synthetic.hpp"
#include "harness/workloads/workload.hpp"
#include "results/record/metrics.hpp"
#include "results/store/schema.hpp"

namespace kvstone {

std::string accepted_text(WorkloadOption const& option) {
    if (!option.choices.empty()) return fmt::format("{}", fmt::join(option.choices, " | "));
    return option.most > 0 ? fmt::format("{} to {}", option.least, option.most) : std::string();
}

std::string default_text(WorkloadOption const& option) {
    if (option.by_default.is_null()) return {};
    return option.by_default.is_string() ? option.by_default.get<std::string>() : option.by_default.dump();
}

std::string better_text(Metric const& metric) {
    return metric.better == Better::lower ? "lower" : metric.better == Better::higher ? "higher" : "-";
}

QueryResult list_stages() {
    QueryResult table{{"stage", "kind", "access", "needs", "options", "summary", "source"}, {}};
    for (auto const& stage : registered_stages())
        table.rows.push_back({stage.name, stage.kind, stage.access,
                              stage.needs.empty() ? QueryValue(nullptr) : QueryValue(stage.needs), stage.options,
                              stage.summary, stage.source});
    return table;
}

QueryResult list_codecs() {
    QueryResult table{{"codec", "summary", "nearest in engines", "differences"}, {}};
    auto const add = [&](std::string const& codec, std::string const& summary) {
        auto const nearest = nearest_settings(Codec::parse(codec));
        table.rows.push_back({codec, summary, nearest.text(), fmt::format("{}", fmt::join(nearest.differences, "; "))});
    };
    for (auto const& preset : presets()) {
        auto const summary = fmt::format("{} ({}): {}", preset.summary, preset.source, preset.text);
        if (preset.needs_bases()) {
            table.rows.push_back({preset.usage(), summary, nullptr, std::string("calibrated")});
        } else {
            add(preset.usage(), summary);
        }
    }
    for (auto const& stage : registered_stages()) add(stage.example, stage.summary);
    return table;
}

QueryResult list_backends() {
    QueryResult table{{"backend", "here"}, {}};
    auto const here = advertised_backends();
    for (auto const& name : known_backends()) {
        bool const has = std::find(here.begin(), here.end(), name) != here.end();
        table.rows.push_back({name, std::string(has ? "yes" : "no")});
    }
    return table;
}

QueryResult list_sources() {
    QueryResult table{{"source", "layers", "heads", "kv_heads", "head_dim", "rope_base", "latent"}, {}};
    for (auto const& shape : model_shapes())
        table.rows.push_back({"synthetic: {shape: " + shape.name + "}", static_cast<std::int64_t>(shape.layers),
                              static_cast<std::int64_t>(shape.heads), static_cast<std::int64_t>(shape.kv_heads),
                              static_cast<std::int64_t>(shape.head_dim), shape.rope_base,
                              shape.latent == 0 ? QueryValue(nullptr) : static_cast<std::int64_t>(shape.latent)});
    std::string const numbers = "synthetic: {layers: N, kv_heads: N, head_dim: N, distribution: ";
    table.rows.push_back({fmt::format("{}{}}}", numbers, fmt::join(synthetic_distributions(), " | ")), nullptr, nullptr,
                          nullptr, nullptr, nullptr, nullptr});
    for (auto const& text :
         {fmt::format("model: {{gguf: {} | FILE.gguf, text: builtin | FILE.txt}}", fmt::join(model_names(), " | ")),
          std::string("dump: {path: FILE.safetensors | .npy | .npz | .pt | .yaml}")})
        table.rows.push_back({text, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr});
    return table;
}

QueryResult list_models() {
    QueryResult table{
        {"model", "layers", "cached", "windowed", "growth_bytes_f16", "state_values", "max_tokens", "source"}, {}};
    for (auto const& model : known_models()) {
        auto const count = [](std::uint64_t value) { return QueryValue(static_cast<std::int64_t>(value)); };
        auto const windowed =
            std::ranges::count_if(model.cached, [](auto const& layer) { return layer.most_tokens != 0; });
        table.rows.push_back({model.name, count(model.layers), count(model.cached.size()),
                              static_cast<std::int64_t>(windowed), count(2 * model.growth_values()),
                              count(model.state_values()), count(model.max_tokens), model.source});
    }
    return table;
}

QueryResult list_workloads() {
    QueryResult table{{"workload", "option", "default", "summary"}, {}};
    for (auto const& workload : workloads()) {
        table.rows.push_back({workload.name, nullptr, nullptr, workload.summary});
        for (auto const& option : workload.options) {
            auto const accepted = accepted_text(option);
            auto const given = default_text(option);
            table.rows.push_back({workload.name, accepted.empty() ? option.name : option.name + ": " + accepted,
                                  given.empty() ? QueryValue(nullptr) : QueryValue(given), option.summary});
        }
    }
    return table;
}

QueryResult list_metrics() {
    QueryResult table{{"metric", "unit", "better", "deterministic", "formula", "kv"}, {}};
    for (auto const& metric : metrics()) {
        table.rows.push_back({std::string(metric.name), std::string(metric.unit), better_text(metric),
                              std::string(metric.deterministic ? "yes" : "no"), std::string(metric.formula),
                              std::string(how_made(metric.both))});
    }
    return table;
}

QueryResult list_schema() {
    QueryResult table{{"table or view", "column", "what it holds"}, {}};
    for (auto const& note : notes())
        table.rows.push_back({std::string(note.table),
                              note.column.empty() ? QueryValue(nullptr) : QueryValue(std::string(note.column)),
                              std::string(note.text)});
    return table;
}

QueryResult list_scenarios() {
    QueryResult table{{"scenario", "file"}, {}};
    auto const folder = scenario_library();
    if (folder.empty()) return table;
    std::map<std::string, std::string> files;
    for (auto const& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".yaml") files[entry.path().stem().string()] = entry.path().string();
    for (auto const& [name, file] : files) table.rows.push_back({name, file});
    return table;
}

}  // namespace kvstone
