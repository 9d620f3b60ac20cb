#include "results/record/measurement.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "results/record/text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::array<std::string_view, 8> status_names{"ok",      "verify_failed", "error",     "crash",
                                                       "timeout", "oom",           "node_lost", "skipped"};

/// JSON has no NaN and no infinity: both are written as null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number(std::optional<double> const& value) { return value ? number(*value) : Json(nullptr); }

[[noreturn]] void corrupt(std::string const& what) { throw CorruptData("a measurement's JSON: " + what); }

Json const& member(Json const& object, char const* name) {
    auto const found = object.find(name);
    if (found == object.end()) corrupt(std::string("'") + name + "' is missing");
    return *found;
}

std::string text(Json const& object, char const* name) {
    auto const& value = member(object, name);
    if (!value.is_string()) corrupt(std::string("'") + name + "' is not a text");
    return value.get<std::string>();
}

template <class Integer>
Integer integer(Json const& object, char const* name) {
    auto const& value = member(object, name);
    if (!value.is_number_integer()) corrupt(std::string("'") + name + "' is not an integer");
    // Out of the target's range is no integer of ours either.
    if (value.is_number_unsigned()) {
        auto const wide = value.get<std::uint64_t>();
        if (wide <= static_cast<std::uint64_t>(std::numeric_limits<Integer>::max())) return static_cast<Integer>(wide);
    } else {
        auto const wide = value.get<std::int64_t>();
        if (std::in_range<Integer>(wide)) return static_cast<Integer>(wide);
    }
    corrupt(std::string("'") + name + "' is out of range");
}

double finite(Json const& object, char const* name) {
    auto const& value = member(object, name);
    if (!value.is_number()) corrupt(std::string("'") + name + "' is not a number");
    return value.get<double>();
}

double finite_or_nan(Json const& value, char const* name) {
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!value.is_number()) corrupt(std::string("'") + name + "' is neither number nor null");
    return value.get<double>();
}

std::optional<double> nullable(Json const& object, char const* name) {
    auto const& value = member(object, name);
    if (value.is_null()) return std::nullopt;
    return finite(object, name);
}

Json const& list(Json const& object, char const* name) {
    auto const& value = member(object, name);
    if (!value.is_array()) corrupt(std::string("'") + name + "' is not a list");
    return value;
}

Json const& each(Json const& element, char const* name) {
    if (!element.is_object()) corrupt(std::string("an element of '") + name + "' is not an object");
    return element;
}

}  // namespace

std::string_view name_of(Status status) { return status_names[static_cast<std::size_t>(status)]; }

Status status_named(std::string_view name) {
    auto const found = std::find(status_names.begin(), status_names.end(), name);
    if (found == status_names.end())
        throw ConfigError("unknown status", std::string(name), {status_names.begin(), status_names.end()});
    return static_cast<Status>(found - status_names.begin());
}

Json to_json(Measurement const& m) {
    Json json{{"attempt_id", m.attempt_id},
              {"cell_id", m.cell_id},
              {"process", m.process},
              {"status", name_of(m.status)},
              {"reason", valid_utf8(m.reason)},
              {"signal", m.signal},
              {"stderr_tail", valid_utf8(m.stderr_tail)},
              {"started_utc", m.started_utc},
              {"finished_utc", m.finished_utc},
              {"wall_ns", m.wall_ns},
              {"harness_ns", m.harness_ns},
              {"roofline_gb_per_s", number(m.roofline_gb_per_s)},
              {"device", valid_utf8(m.device)},
              {"threads", m.threads},
              {"protocol", m.protocol},
              {"engine", valid_utf8(m.engine)},
              {"task", m.task},
              {"host", m.host},
              {"figures", Json::array()},
              {"samples", Json::array()},
              {"profiles", Json::array()}};
    for (auto const& f : m.figures)
        json["figures"].push_back({{"component", f.component},
                                   {"metric", f.metric},
                                   {"value", number(f.value)},
                                   {"n", f.n},
                                   {"ci_low", number(f.ci_low)},
                                   {"ci_high", number(f.ci_high)}});
    for (auto const& s : m.samples) {
        Json values = Json::array();
        for (double const value : s.values) values.push_back(number(value));
        json["samples"].push_back({{"component", s.component}, {"metric", s.metric}, {"values", std::move(values)}});
    }
    for (auto const& p : m.profiles)
        json["profiles"].push_back({{"component", p.component},
                                    {"metric", p.metric},
                                    {"layer", p.layer},
                                    {"head", p.head},
                                    {"position", p.position},
                                    {"value", number(p.value)}});
    for (auto const& f : m.functions)
        json["functions"].push_back({{"component", f.component},
                                     {"pass", f.pass},
                                     {"function", valid_utf8(f.function)},
                                     {"instructions", number(f.instructions)}});
    return json;
}

Measurement measurement_from_json(Json const& json) {
    if (!json.is_object()) corrupt("not an object");
    Measurement m;
    m.attempt_id = text(json, "attempt_id");
    m.cell_id = text(json, "cell_id");
    m.process = integer<int>(json, "process");
    auto const status = text(json, "status");
    if (std::find(status_names.begin(), status_names.end(), status) == status_names.end())
        corrupt("unknown status '" + status + "'");
    m.status = status_named(status);
    m.reason = text(json, "reason");
    m.signal = integer<int>(json, "signal");
    m.stderr_tail = text(json, "stderr_tail");
    m.started_utc = text(json, "started_utc");
    m.finished_utc = text(json, "finished_utc");
    m.wall_ns = integer<std::int64_t>(json, "wall_ns");
    m.harness_ns = integer<std::int64_t>(json, "harness_ns");
    m.roofline_gb_per_s = nullable(json, "roofline_gb_per_s").value_or(0);
    m.device = text(json, "device");
    m.threads = integer<int>(json, "threads");
    m.protocol = text(json, "protocol");
    m.engine = text(json, "engine");
    m.task = text(json, "task");
    m.host = member(json, "host");
    for (auto const& f : list(json, "figures")) {
        each(f, "figures");
        m.figures.push_back({text(f, "component"), text(f, "metric"), nullable(f, "value"),
                             integer<std::uint64_t>(f, "n"), nullable(f, "ci_low"), nullable(f, "ci_high")});
    }
    for (auto const& s : list(json, "samples")) {
        each(s, "samples");
        Samples samples{text(s, "component"), text(s, "metric"), {}};
        for (auto const& value : list(s, "values")) samples.values.push_back(finite_or_nan(value, "values"));
        m.samples.push_back(std::move(samples));
    }
    for (auto const& p : list(json, "profiles")) {
        each(p, "profiles");
        m.profiles.push_back({text(p, "component"), text(p, "metric"), integer<int>(p, "layer"),
                              integer<int>(p, "head"), integer<std::int64_t>(p, "position"),
                              finite_or_nan(member(p, "value"), "value")});
    }
    if (!json.contains("functions")) return m;  // only counted passes have them
    for (auto const& f : list(json, "functions")) {
        each(f, "functions");
        m.functions.push_back({text(f, "component"), text(f, "pass"), text(f, "function"), finite(f, "instructions")});
    }
    return m;
}

}  // namespace kvstone
