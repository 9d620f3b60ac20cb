#include "results/query/constraint.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "results/record/metrics.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Reads a text from its front, spaces passed over.
class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) { skip(); }

    bool done() const { return rest_.empty(); }
    std::string_view take_while(auto const& wanted) {
        std::size_t length = 0;
        while (length < rest_.size() && wanted(rest_[length])) ++length;
        auto const taken = rest_.substr(0, length);
        rest_.remove_prefix(length);
        skip();
        return taken;
    }
    std::string_view word() {
        return take_while([](char c) { return c != ' ' && c != '\t' && c != '\n'; });
    }
    std::optional<double> number() {
        double value = 0;
        auto const [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        skip();
        return value;
    }
    std::string_view rest() const { return rest_; }

  private:
    void skip() {
        while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n'))
            rest_.remove_prefix(1);
    }
    std::string_view rest_;
};

bool in_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }
bool in_relation(char c) { return c == '<' || c == '>' || c == '=' || c == '!'; }

std::vector<std::string> metric_names() {
    std::vector<std::string> names;
    for (auto const& metric : metrics()) names.emplace_back(metric.name);
    return names;
}

Constraint parse_one(Reader& reader, std::string const& whole) {
    Constraint constraint;
    constraint.metric = reader.take_while(in_name);
    if (constraint.metric.empty())
        throw ConfigError(reader.done() ? std::string("a condition is empty: expected a metric and its bound")
                                        : fmt::format("expected a metric before '{}'", reader.rest()),
                          whole, {"METRIC < NUMBER [and METRIC > NUMBER ...]"});
    auto const* const metric = find_metric(constraint.metric);
    if (metric == nullptr) {
        auto const names = metric_names();
        auto const near = nearest_name(constraint.metric, names);
        throw ConfigError("no metric has this name; `kvstone list metrics` has them all", constraint.metric,
                          near.empty() ? std::vector<std::string>{} : std::vector<std::string>{near});
    }
    std::string const relation(reader.take_while(in_relation));
    if (relation != "<" && relation != "<=" && relation != ">" && relation != ">=")
        throw ConfigError(fmt::format("{} has to be compared", constraint.metric),
                          relation.empty() ? std::string(reader.rest()) : relation, {"<", "<=", ">", ">="});
    constraint.upper = relation.front() == '<';
    constraint.strict = relation.size() == 1;
    auto const bound = reader.number();
    if (!bound)
        throw ConfigError(fmt::format("{} has to be compared with a number", constraint.metric),
                          std::string(reader.rest()));
    constraint.bound = *bound;
    if (!reader.done() && reader.rest() != "and" && !reader.rest().starts_with("and "))
        if (std::string const unit(reader.word()); unit != metric->unit || unit == "1")
            throw ConfigError(
                fmt::format("behind the number stands another bound or the unit of {}", constraint.metric), unit,
                metric->unit == "1" ? std::vector<std::string>{"and"}
                                    : std::vector{std::string("and"), std::string(metric->unit)});
    return constraint;
}

}  // namespace

std::string Constraint::text() const {
    auto const* const known = find_metric(metric);
    auto const unit = known == nullptr || known->unit == "1" ? std::string() : " " + std::string(known->unit);
    return fmt::format("{} {}{} {:g}{}", metric, upper ? "<" : ">", strict ? "" : "=", bound, unit);
}

std::optional<double> Constraint::bounding_end(Estimate const& figure) const {
    if (auto const end = upper ? figure.high : figure.low) return end;
    auto const* const known = find_metric(metric);
    if (known != nullptr && known->deterministic) return figure.value;
    return std::nullopt;
}

bool Constraint::holds_for(double value) const {
    if (value == bound) return !strict;
    return upper ? value < bound : value > bound;
}

std::vector<Constraint> parse_constraints(std::string const& text) {
    std::vector<Constraint> constraints;
    Reader reader(text);
    for (;;) {
        constraints.push_back(parse_one(reader, text));
        if (reader.done()) return constraints;
        if (auto const word = reader.word(); word != "and")
            throw ConfigError("constraints are joined by 'and'", std::string(word), {"and"});
    }
}

}  // namespace kvstone
