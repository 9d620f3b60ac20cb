#include "harness/choice/choice_words.hpp"

#include <fmt/format.h>

#include "scenarios/text.hpp"

namespace kvstone {
std::string labelled(std::string_view label, std::string_view words) {
    return fmt::format("  {:<{}}{}\n", label, label_columns - 2, words);
}

std::string nats_text(Estimate const& figure) {
    return fmt::format("{:.3g} nat, 95% {}", figure.value, interval_text(figure));
}

std::string other_bounds_text(Bounds const& bounds, Candidate const& candidate) {
    std::string text;
    for (auto const& bound : bounds.others)
        if (auto const found = figure_for(candidate, bound))
            text += labelled("also", fmt::format("{} {:.3g}, 95% {}{}; asked for: {}", bound.metric,
                                                 found->figure.value, interval_text(found->figure),
                                                 found->task != nullptr ? ", of " + found->task->title : std::string(),
                                                 bound.text()));
    return text;
}

std::string bounds_text(Bounds const& bounds) {
    auto text = fmt::format("a mean KLD of {:g} nat or less", bounds.kld_mean);
    for (auto const& bound : bounds.others) text += " and " + bound.text();
    return text;
}

std::vector<TextTable::Column> other_bounds_columns(Bounds const& bounds) {
    std::vector<TextTable::Column> columns;
    for (auto const& bound : bounds.others)
        columns.insert(columns.end(), {{bound.metric, true}, {"95% interval", true}});
    return columns;
}

std::vector<std::string> other_bounds_cells(Bounds const& bounds, Candidate const& candidate) {
    std::vector<std::string> cells;
    for (auto const& bound : bounds.others) {
        auto const found = figure_for(candidate, bound);
        cells.push_back(found ? fmt::format("{:.2e}", found->figure.value) : "-");
        cells.push_back(found ? interval_text(found->figure) : "-");
    }
    return cells;
}

std::string sureness_text(Candidate const& candidate) {
    auto const passages =
        candidate.passages ? fmt::format("{} passages", *candidate.passages) : std::string("passages not counted");
    return fmt::format("protocol {}, {}, {} scored tokens, contexts of {} tokens", candidate.protocol, passages,
                       candidate.scored_tokens, candidate.context);
}

Json number_json(std::optional<double> const& value) { return value ? Json(*value) : Json(); }
Json figure_json(Estimate const& figure) {
    return {{"value", figure.value}, {"low", number_json(figure.low)}, {"high", number_json(figure.high)}};
}

Json figures_json(Bounds const& bounds, Candidate const& candidate) {
    Json json{{"kld_mean", figure_json(candidate.kld)}};
    auto const tail = candidate.figures.find("kld_p999");
    json["kld_p999"] = tail != candidate.figures.end() ? figure_json(tail->second) : Json();
    for (auto const& bound : bounds.others) {
        auto const found = figure_for(candidate, bound);
        auto& figure = json[bound.metric] = found ? figure_json(found->figure) : Json();
        if (!found) continue;
        auto const* const task = found->task;
        figure.update({{"workload", task != nullptr ? "tasks" : "model"},
                       {"row", task != nullptr ? task->title : sureness_text(candidate)},
                       {"context", task != nullptr ? task->context : candidate.context},
                       {"cell", task != nullptr ? task->cell : candidate.cell},
                       {"rows", found->rows}});
    }
    return json;
}

Json other_bounds_json(Bounds const& bounds) {
    auto texts = Json::array();
    for (auto const& bound : bounds.others) texts.push_back(bound.text());
    return texts;
}

}  // namespace kvstone
