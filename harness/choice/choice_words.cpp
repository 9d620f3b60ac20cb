#include "harness/choice/choice_words.hpp"

#include <fmt/format.h>

#include "scenarios/text.hpp"

namespace kvstone {
namespace {

Estimate const* figure_of(Candidate const& candidate, std::string const& metric) {
    auto const found = candidate.figures.find(metric);
    return found == candidate.figures.end() ? nullptr : &found->second;
}

}  // namespace

std::string labelled(std::string_view label, std::string_view words) {
    return fmt::format("  {:<{}}{}\n", label, label_columns - 2, words);
}

std::string nats_text(Estimate const& figure) {
    return fmt::format("{:.3g} nat, 95% {}", figure.value, interval_text(figure));
}

std::string other_bounds_text(Bounds const& bounds, Candidate const& candidate) {
    std::string text;
    for (auto const& bound : bounds.others)
        if (auto const* const figure = figure_of(candidate, bound.metric))
            text += labelled("also", fmt::format("{} {:.3g}, 95% {}; asked for: {}", bound.metric, figure->value,
                                                 interval_text(*figure), bound.text()));
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
        auto const* const figure = figure_of(candidate, bound.metric);
        cells.push_back(figure != nullptr ? fmt::format("{:.2e}", figure->value) : "-");
        cells.push_back(figure != nullptr ? interval_text(*figure) : "-");
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
    auto const add = [&](std::string const& metric) {
        auto const* const figure = figure_of(candidate, metric);
        json[metric] = figure != nullptr ? figure_json(*figure) : Json();
    };
    add("kld_p999");
    for (auto const& bound : bounds.others) add(bound.metric);
    return json;
}

Json other_bounds_json(Bounds const& bounds) {
    auto texts = Json::array();
    for (auto const& bound : bounds.others) texts.push_back(bound.text());
    return texts;
}

}  // namespace kvstone
