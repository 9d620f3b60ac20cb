#include "harness/gates/gate_answer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr int exit_code_of_refusals = 2;
constexpr std::size_t most_reason_bytes = 600;

bool is_number_or_null(Json const& object, char const* name) {
    auto const found = object.find(name);
    return found != object.end() && (found->is_number() || found->is_null());
}

bool is_text(Json const& object, char const* name) {
    auto const found = object.find(name);
    return found != object.end() && found->is_string();
}

/// Of the same type as the member of this build; times that are null are none.
bool fits(Json const& ours, Json const& theirs) {
    if (ours.is_null()) return true;
    if (ours.is_number_integer()) return theirs.is_number_integer();
    if (ours.is_number()) return theirs.is_number() || theirs.is_null();
    return ours.type() == theirs.type();
}

/// Elements of a list of figures or samples, as this build reads them.
class Elements {
  public:
    /// `name`: the member that an element is named by.
    Elements(Json const& printed, char const* list, std::vector<std::string>& unread, char const* name = "metric")
        : list_(list), name_(name), unread_(unread) {
        auto const found = printed.find(list);
        if (found == printed.end()) return;
        if (found->is_array())
            elements_ = *found;
        else
            unread.emplace_back(list);
    }

    /// `read` turns an element into this build's, or into null.
    template <class Read>
    Json read(Read const& read) const {
        Json all = Json::array();
        for (std::size_t i = 0; i < elements_.size(); ++i) {
            auto const& element = elements_[i];
            bool const named = element.is_object() && is_text(element, "component") && is_text(element, name_);
            auto ours = named ? read(element) : Json();
            if (!ours.is_null())
                all.push_back(std::move(ours));
            else
                unread_.push_back(named ? element.at(name_).get<std::string>() : fmt::format("{}[{}]", list_, i));
        }
        return all;
    }

  private:
    char const* list_;
    char const* name_;
    std::vector<std::string>& unread_;
    Json elements_ = Json::array();
};

Json figure_of(Json const& theirs) {
    if (!is_number_or_null(theirs, "value")) return nullptr;
    Json ours{{"component", theirs.at("component")},
              {"metric", theirs.at("metric")},
              {"value", theirs.at("value")},
              {"n", 1},
              {"ci_low", nullptr},
              {"ci_high", nullptr}};
    if (auto const n = theirs.find("n"); n != theirs.end() && n->is_number_integer() && *n >= 0) ours["n"] = *n;
    if (is_number_or_null(theirs, "ci_low") && is_number_or_null(theirs, "ci_high"))
        for (auto const* end : {"ci_low", "ci_high"}) ours[end] = theirs.at(end);
    return ours;
}

Json function_of(Json const& theirs) {
    auto const instructions = theirs.find("instructions");
    if (instructions == theirs.end() || !instructions->is_number() || !is_text(theirs, "pass")) return nullptr;
    return {{"component", theirs.at("component")},
            {"pass", theirs.at("pass")},
            {"function", theirs.at("function")},
            {"instructions", *instructions}};
}

Json samples_of(Json const& theirs) {
    auto const values = theirs.find("values");
    if (values == theirs.end() || !values->is_array()) return nullptr;
    for (auto const& value : *values)
        if (!value.is_number() && !value.is_null()) return nullptr;
    return {{"component", theirs.at("component")}, {"metric", theirs.at("metric")}, {"values", *values}};
}

/// All that was said, in one line: of a command line's refusal the last line is only where to find help.
std::string in_one_line(std::string const& text) {
    std::string line;
    for (char const c : text)
        if (c != '\n')
            line += c;
        else if (!line.empty() && !line.ends_with("; "))
            line += "; ";
    while (line.ends_with("; ")) line.resize(line.size() - 2);
    return line.substr(0, most_reason_bytes);
}

/// The last line that is not empty.
std::string last_line(std::string const& text) {
    auto const end = text.find_last_not_of('\n') + 1;  // 0: there is none
    auto const before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    auto const begin = before == std::string::npos ? 0 : before + 1;
    return text.substr(begin, end - begin);
}

}  // namespace

Measurement measurement_of_other_build(Json const& printed) {
    if (!printed.is_object() || !is_text(printed, "status")) throw CorruptData("a measurement without a status");
    auto ours = to_json(Measurement{});
    std::vector<std::string> unread;
    for (auto& [name, value] : ours.items()) {
        auto const found = printed.find(name);
        if (found == printed.end() || value.is_array()) continue;
        if (fits(value, *found))
            value = *found;
        else
            unread.push_back(name);
    }
    ours["figures"] = Elements(printed, "figures", unread).read(figure_of);
    auto functions = Elements(printed, "functions", unread, "function").read(function_of);
    if (!functions.empty()) ours["functions"] = std::move(functions);
    ours["samples"] = Elements(printed, "samples", unread).read(samples_of);
    auto const status = printed.at("status").get<std::string>();
    try {
        status_named(status);
    } catch (ConfigError const&) {
        ours["status"] = name_of(Status::error);
        ours["reason"] = fmt::format("it says status '{}', which this build does not know", status);
    }
    auto measurement = measurement_from_json(ours);
    if (!unread.empty() && measurement.status == Status::ok)
        measurement.reason = fmt::format("not understood: {}", fmt::join(unread, ", "));
    return measurement;
}

Measurement answer_of(std::string const& program, ChildOutcome const& outcome) {
    bool answered = false;
    try {
        auto measurement = measurement_of_other_build(parse_json(outcome.output));
        answered = true;
        // Failed cells have an exit code of their own. A good one has none but 0: a program that died after its answer
        // is broken.
        bool const ended_well = outcome.signal == 0 && !outcome.timed_out && outcome.exit_code == 0;
        if (measurement.status != Status::ok || ended_well) return measurement;
    } catch (std::exception const&) {
        // It did not come to an answer: why is told below.
    }
    Measurement measurement;
    measurement.signal = outcome.signal;
    measurement.stderr_tail = outcome.stderr_tail;
    bool const refused = !answered && outcome.exit_code == exit_code_of_refusals && !outcome.timed_out;
    measurement.status = outcome.timed_out ? Status::timeout : refused ? Status::skipped : Status::crash;
    auto const said = refused ? in_one_line(outcome.stderr_tail) : last_line(outcome.stderr_tail);
    measurement.reason = fmt::format(
        "{} {} ({}){}{}", program,
        refused    ? "refuses its arguments"
        : answered ? "failed after its answer"
                   : "gave no answer",
        outcome.signal != 0 ? fmt::format("signal {}", outcome.signal) : fmt::format("exit code {}", outcome.exit_code),
        said.empty() ? "" : ": ", said);
    return measurement;
}

}  // namespace kvstone
