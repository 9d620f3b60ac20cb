#include "harness/choice/choice_words.hpp"

#include <fmt/format.h>

#include "results/record/text_table.hpp"
#include "scenarios/text.hpp"

namespace kvstone {

std::string labelled(std::string_view label, std::string_view words) {
    return fmt::format("  {:<{}}{}\n", label, label_columns - 2, words);
}

std::string nats_text(Estimate const& figure) {
    return fmt::format("{:.3g} nat, 95% {}", figure.value, interval_text(figure));
}

std::string bounds_text(KldBounds const& bounds) {
    auto const text = fmt::format("a mean KLD of {:g} nat or less", bounds.mean);
    return bounds.p999 ? text + fmt::format(" and a 99.9th percentile of {:g} nat or less", *bounds.p999) : text;
}

std::string sureness_text(Candidate const& candidate) {
    auto const passages =
        candidate.passages ? fmt::format("{} passages", *candidate.passages) : std::string("passages not counted");
    return fmt::format("protocol {}, {}, {} scored tokens, contexts of {} tokens", candidate.protocol, passages,
                       candidate.scored_tokens, candidate.context);
}

Json number_json(std::optional<double> const& value) { return value ? Json(*value) : Json(); }
Json figure_json(std::optional<Estimate> const& figure) {
    if (!figure) return Json();
    return {{"value", figure->value}, {"low", number_json(figure->low)}, {"high", number_json(figure->high)}};
}

}  // namespace kvstone
