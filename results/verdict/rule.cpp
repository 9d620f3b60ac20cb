#include "results/verdict/rule.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace kvstone {
namespace {

constexpr std::string_view no_worse_than = " no worse than ";

std::string trimmed(std::string_view text) {
    auto const first = text.find_first_not_of(' ');
    return first == std::string_view::npos ? ""
                                           : std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

std::size_t known_metric(std::string const& name) {
    auto const index = metric_index(name);
    if (index < metrics().size()) return index;
    std::vector<std::string> names;
    for (auto const& metric : metrics()) names.emplace_back(metric.name);
    auto const near = nearest_name(name, names);
    throw ConfigError("no metric has this name; `kvstone list metrics` has them all", name,
                      near.empty() ? std::vector<std::string>{} : std::vector<std::string>{near});
}

double share(std::string text) {
    bool const percent = text.ends_with('%');
    if (percent) text.pop_back();
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || !(value < 100))
        throw ConfigError("expected a share", text, {"5%", "0.05"});
    return percent ? value / 100 : value;
}

PolicyRule relative_rule(std::string const& text, std::size_t at) {
    PolicyRule rule;
    rule.relative = true;
    rule.metric = known_metric(trimmed(text.substr(0, at)));
    if (metrics()[rule.metric].better == Better::neither)
        throw ConfigError("this metric has no worse direction", std::string(metrics()[rule.metric].name));
    rule.worse_by = share(trimmed(text.substr(at + no_worse_than.size())));
    if (rule.timed() && rule.worse_by <= 0)
        throw ConfigError("timings need a slow-down that has to be found", text, {"decode_ns no worse than 5%"});
    return rule;
}

PolicyRule::Suspicion suspicion_of(std::string const& text) {
    auto const at = text.find(no_worse_than);
    constexpr char const* example = "encode_instructions no worse than 1%";
    if (at == std::string::npos) throw ConfigError("expected a rule about work beside the base", text, {example});
    auto const rule = relative_rule(text, at);
    if (!is_work(metrics()[rule.metric]))
        throw ConfigError("only counts of work say which cells are to be timed", text, {example});
    return {rule.metric, rule.worse_by};
}

PolicyRule bound_rule(std::string text) {
    PolicyRule rule;
    if (auto const star = text.find('*'); star != std::string::npos) {
        rule.bound_metric = known_metric(trimmed(text.substr(star + 1)));
        text.resize(star);
    }
    auto const constraints = parse_constraints(text);
    if (constraints.size() > 1) throw ConfigError("a rule is about one metric", text, {"METRIC <= NUMBER"});
    rule.bound = constraints[0];
    rule.metric = known_metric(rule.bound.metric);
    return rule;
}

}  // namespace

std::vector<PolicyRule> rules_of(GatePolicy const& policy) {
    std::vector<PolicyRule> rules;
    for (auto const& source : policy.rules) {
        try {
            auto const at = source.text.find(no_worse_than);
            auto rule = at == std::string::npos ? bound_rule(source.text) : relative_rule(source.text, at);
            rule.source = source;
            for (auto const& text : source.suspected_by) rule.suspected_by.push_back(suspicion_of(text));
            if (!source.suspected_by.empty() && !rule.timed())
                throw ConfigError("only rules about timings have suspects", source.text);
            if (source.margin && !rule.timed())
                throw ConfigError("only rules about timings have a margin", source.text);
            if (rule.timed() && source.margin.value_or(policy.margin) >= rule.worse_by)
                throw ConfigError("the slow-down to be found has to be larger than the margin", source.text);
            rules.push_back(std::move(rule));
        } catch (ConfigError const& error) {
            throw error.at(source.place);
        }
    }
    for (auto const& joint : policy.joint) try {
            known_metric(joint.gain);
            for (auto const& name : joint.not_with) known_metric(name);
        } catch (ConfigError const& error) {
            throw error.at(joint.place);
        }
    return rules;
}

std::vector<std::string> metrics_of(GatePolicy const& policy, std::vector<PolicyRule> const& rules) {
    std::vector<std::string> names;
    for (auto const& rule : rules) {
        names.emplace_back(metrics()[rule.metric].name);
        if (rule.bound_metric) names.emplace_back(metrics()[*rule.bound_metric].name);
        for (auto const& work : rule.suspected_by) names.emplace_back(metrics()[work.metric].name);
    }
    for (auto const& joint : policy.joint) {
        names.push_back(joint.gain);
        names.insert(names.end(), joint.not_with.begin(), joint.not_with.end());
    }
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    return names;
}

Suspected suspected(PolicyRule const& rule, SideCell const& base, SideCell const& head, std::size_t component) {
    Suspected result{.counted = true, .suspect = false};
    for (auto const& work : rule.suspected_by) {
        auto const& metric = metrics()[work.metric];
        auto const before = median_value(find_figures(base, work.metric, component)),
                   after = median_value(find_figures(head, work.metric, component));
        if (!result.why.empty()) result.why += ", ";
        if (!before || !after || base.counted_by != head.counted_by) {
            result.counted = false;
            result.suspect = true;
            result.why += fmt::format("{} was not counted alike", metric.name);
            auto const& told = head.uncounted.empty() ? base.uncounted : head.uncounted;
            if (!told.empty()) result.why += " (" + told + ")";
            continue;
        }
        double const worse = worse_by(metric, *before, *after);
        result.suspect = result.suspect || worse > work.worse_by;
        result.why += fmt::format("{} {:.3g}% {}", metric.name, 100 * std::abs(worse), worse < 0 ? "better" : "worse");
    }
    return result;
}

std::vector<std::size_t> components_of(std::string const& component, std::size_t metric, SideCell const& cell) {
    std::vector<std::size_t> found;
    for (std::size_t i = std::size(side_components); i-- > 0;) {
        if (!component.empty() && component != side_components[i]) continue;
        if (!find_figures(cell, metric, i).empty()) found.push_back(i);
        if (component.empty() && side_components[i] == "kv" && !found.empty()) break;
    }
    return found;
}

}  // namespace kvstone
