// The answer of `kvstone size` in words and as JSON.

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/sizing/size.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// Layers that are alike, in the order in which the first of them stands.
template <class Layer>
std::vector<std::pair<Layer, std::uint64_t>> counted(std::vector<Layer> const& layers) {
    std::vector<std::pair<Layer, std::uint64_t>> kinds;
    for (auto const& layer : layers) {
        auto const found = std::ranges::find_if(kinds, [&](auto const& kind) { return kind.first == layer; });
        if (found == kinds.end())
            kinds.emplace_back(layer, 1);
        else
            ++found->second;
    }
    return kinds;
}

std::string layer_text(CachedLayer const& layer, std::uint64_t layers) {
    auto text = layer.v_dim == 0 ? fmt::format("{} with a latent of {} values", layers, layer.k_dim)
                                 : fmt::format("{} with K of {} and V of {} values in {} KV heads", layers, layer.k_dim,
                                               layer.v_dim, layer.kv_heads);
    if (layer.most_tokens != 0) text += fmt::format(", the last {} tokens", layer.most_tokens);
    return text;
}

std::string layers_text(ModelCache const& cache) {
    std::vector<std::string> kinds;
    for (auto const& [layer, layers] : counted(cache.cached)) kinds.push_back(layer_text(layer, layers));
    for (auto const& [state, layers] : counted(cache.states))
        kinds.push_back(fmt::format("{} with a state of {} values", layers, state.values()));
    if (cache.shared != 0) kinds.push_back(fmt::format("{} that read another layer's K and V", cache.shared));
    auto const all = fmt::format("{}", fmt::join(kinds, "; "));
    // Where all layers are alike, their number stands there already.
    bool const alike = kinds.size() == 1 && cache.cached.size() + cache.states.size() == cache.layers;
    return alike ? all : fmt::format("{}: {}", cache.layers, all);
}

std::string head_text(SizeAnswer const& answer) {
    auto const& question = answer.question;
    auto const& cache = question.cache;
    auto const value_bytes = element_bytes(question.elements);
    auto text = cache.name + (cache.source == cache.name ? "" : " (" + cache.source + ")") + "\n";
    auto const line = [&](char const* label, std::string const& words) {
        text += fmt::format("  {:<9} {}\n", label, words);
    };
    line("layers", layers_text(cache));
    line("growth", fmt::format("{} values a token, {} bytes as {}", cache.growth_values(),
                               cache.growth_values() * value_bytes, name_of(question.elements)));
    auto const longest = *std::ranges::max_element(question.contexts);
    if (auto const window = cache.window_values(longest); window != 0)
        line("windows", fmt::format("{} values at {} tokens, {} as {}", window, longest,
                                    size_text(window * value_bytes), name_of(question.elements)));
    if (auto const state = cache.state_values(); state != 0)
        line("state", fmt::format("{} values, {} of {} bytes each; not coded", state,
                                  size_text(state * question.state_value_bytes), question.state_value_bytes));
    if (cache.max_tokens != 0) line("made for", fmt::format("{} tokens", cache.max_tokens));
    if (question.devices > 1)
        line("device", fmt::format("one of {}: {}", question.devices, layers_text(share_of(cache, question.devices))));
    if (question.budget_bytes)
        line("budget", fmt::format("{}{}; weights are not counted", size_text(*question.budget_bytes),
                                   question.devices > 1 ? " on each device" : ""));
    for (auto const& note : cache.notes) line("note", note);
    return text + "\n";
}

bool has_windows(ModelCache const& cache) {
    return std::ranges::any_of(cache.cached, [](auto const& layer) { return layer.most_tokens != 0; });
}

/// The codec, and columns for the parts of the model and for the question.
std::vector<TextTable::Column> columns_of(SizeQuestion const& question) {
    std::vector<TextTable::Column> columns{{"codec"}, {"context", true}, {"bytes/token", true}, {"growing", true}};
    auto const add = [&](std::string title) { columns.push_back({std::move(title), true}); };
    if (has_windows(question.cache)) add("windows");
    if (!question.cache.states.empty()) add("state");
    add("a sequence");
    if (question.batch > 1) add(fmt::format("{} of them", question.batch));
    if (question.devices > 1) add("a device");
    if (question.budget_bytes) {
        if (question.batch > 1) add("batches");
        add("sequences");
        add("longest");
    }
    return columns;
}

std::vector<std::string> cells_of(SizeQuestion const& question, SizeRow const& row) {
    auto const bytes = [&](std::uint64_t count) { return count == 0 ? "-" : size_text(count); };
    std::vector<std::string> cells{row.codec_name, std::to_string(row.context),
                                   fmt::format("{}{:.6g}", row.depends_on_values ? "~" : "", row.growth_bytes_a_token),
                                   bytes(row.sequence.growing)};
    if (has_windows(question.cache)) cells.push_back(bytes(row.sequence.window));
    if (!question.cache.states.empty()) cells.push_back(bytes(row.sequence.state));
    cells.push_back(bytes(row.sequence.all()));
    if (question.batch > 1) cells.push_back(bytes(row.batch_bytes));
    if (question.devices > 1) cells.push_back(bytes(row.device_bytes));
    if (question.budget_bytes) {
        if (question.batch > 1) cells.push_back(std::to_string(row.models));
        cells.push_back(std::to_string(row.sequences));
        cells.push_back(row.longest_context ? std::to_string(*row.longest_context)
                                            : fmt::format(">{}", longest_context_asked));
    }
    return cells;
}

Json layer_json(ModelCache const& cache) {
    auto layers = Json::array();
    for (auto const& [layer, count] : counted(cache.cached))
        layers.push_back({{"layers", count},
                          {"kv_heads", layer.kv_heads},
                          {"k_dim", layer.k_dim},
                          {"v_dim", layer.v_dim},
                          {"most_tokens", layer.most_tokens == 0 ? Json() : Json(layer.most_tokens)}});
    auto states = Json::array();
    for (auto const& [state, count] : counted(cache.states))
        states.push_back({{"layers", count}, {"values", state.values()}});
    return {{"layers", cache.layers},
            {"shared_layers", cache.shared},
            {"cached", layers},
            {"states", states},
            {"growth_values_per_token", cache.growth_values()},
            {"state_values", cache.state_values()}};
}

Json row_json(SizeQuestion const& question, SizeRow const& row) {
    Json json{{"codec", row.codec}, {"codec_name", row.codec_name}, {"context", row.context}};
    if (!row.why_not.empty()) {
        json["why_not"] = row.why_not;
        return json;
    }
    json["growth_bytes_per_token"] = row.growth_bytes_a_token;
    json["growing_bytes"] = row.sequence.growing;
    json["window_bytes"] = row.sequence.window;
    json["state_bytes"] = row.sequence.state;
    json["sequence_bytes"] = row.sequence.all();
    json["batch_bytes"] = row.batch_bytes;
    json["device_bytes"] = row.device_bytes;
    json["depends_on_values"] = row.depends_on_values;
    json["measured_tokens"] = row.measured_tokens;
    if (question.budget_bytes) {
        json["models"] = row.models;
        json["sequences"] = row.sequences;
        json["longest_context"] = row.longest_context ? Json(*row.longest_context) : Json();
    }
    return json;
}

}  // namespace

std::string size_answer_text(SizeAnswer const& answer, Screen const& screen) {
    TextTable table(columns_of(answer.question), 1);
    bool depends = false;
    std::uint64_t measured = 0;
    for (auto const& row : answer.rows) {
        if (!row.why_not.empty()) {
            table.add({row.codec_name}, row.why_not);
            continue;
        }
        table.add(cells_of(answer.question, row));
        depends = depends || row.depends_on_values;
        measured = std::max(measured, row.measured_tokens);
    }
    std::string notes;
    if (measured != 0)
        notes += fmt::format(
            "\nThe bytes are those of encoded containers, one for K and one for V of each layer: measured up to {} "
            "tokens, "
            "and linear in the tokens beyond that.\n",
            measured);
    if (depends)
        notes +=
            "~ These bytes depend on the values: synthetic values were encoded, and a model's own may take more or "
            "less.\n";
    return wrapped(head_text(answer), screen.columns, 12) + table.text(screen) + wrapped(notes, screen.columns);
}

Json size_answer_json(SizeAnswer const& answer) {
    auto const& question = answer.question;
    auto json = layer_json(question.cache);
    json["model"] = question.cache.name;
    json["source"] = question.cache.source;
    json["notes"] = question.cache.notes;
    json["max_tokens"] = question.cache.max_tokens == 0 ? Json() : Json(question.cache.max_tokens);
    json["elements"] = std::string(name_of(question.elements));
    json["batch"] = question.batch;
    json["tensor_parallel"] = question.devices;
    json["budget_bytes"] = question.budget_bytes ? Json(*question.budget_bytes) : Json();
    if (question.devices > 1) json["device"] = layer_json(share_of(question.cache, question.devices));
    json["sizes"] = Json::array();
    for (auto const& row : answer.rows) json["sizes"].push_back(row_json(question, row));
    return json;
}

}  // namespace kvstone
