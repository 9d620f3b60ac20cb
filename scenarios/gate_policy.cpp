#include "scenarios/gate_policy.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "scenarios/scenario.hpp"
#include "scenarios/text.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

std::vector<std::string> const components{"k", "v", "kv"};

/// "5%" or "0.05", below 1.
double share_of(YamlValue const& value) {
    auto number = value;
    bool const percent = value.kind == YamlValue::Kind::scalar && value.text.ends_with('%');
    if (percent) number.text.pop_back();
    double const share = number_of(number) / (percent ? 100 : 1);
    if (share < 0 || share >= 1) refuse(value, "expected a share below 1", {"2%", "0.02"});
    return share;
}

Json match_value(std::string const& key, YamlValue const& value) {
    if (value.kind == YamlValue::Kind::list) {
        auto all = Json::array();
        for (auto const& item : items_of(value)) all.push_back(match_value(key, item));
        return all;
    }
    if (key == "context") return tokens_of(value);
    if (key == "batch" || key == "page" || key == "threads") return whole_number_of(value, 0, UINT64_MAX);
    return text_of(value);
}

Json match_json(YamlValue const* value) {
    auto match = Json::object();
    if (value == nullptr) return match;
    YamlMap const map(*value,
                      {"source", "context", "codec", "backend", "batch", "page", "threads", "workload", "protocol"});
    if (value->entries.empty()) refuse(*value, "expected properties of cells", {"{codec: raw}"});
    for (auto const& entry : value->entries) match[entry.key] = match_value(entry.key, entry.value);
    return match;
}

Selection selection_of(YamlMap const& map) { return {match_json(map.find("match")), match_json(map.find("except"))}; }

std::vector<std::string> texts_of(YamlValue const& list) {
    std::vector<std::string> texts;
    for (auto const* item : one_or_more(list)) texts.push_back(text_of(*item));
    return texts;
}

GateRule rule_of(YamlValue const& value) {
    GateRule rule;
    rule.place = value.place;
    if (value.kind == YamlValue::Kind::scalar) {
        rule.text = rule.name = text_of(value);
        return rule;
    }
    YamlMap const map(value, {"rule", "name", "match", "except", "component", "level", "margin", "suspected_by"});
    rule.place = map.at("rule").place;
    rule.text = text_of(map.at("rule"));
    rule.name = map.find("name") != nullptr ? text_of(map.at("name")) : rule.text;
    rule.cells = selection_of(map);
    if (auto const* component = map.find("component")) rule.component = choice_of(*component, "component", components);
    if (auto const* level = map.find("level")) rule.warns = choice_of(*level, "level", {"fail", "warn"}) == "warn";
    if (auto const* margin = map.find("margin")) rule.margin = share_of(*margin);
    if (auto const* work = map.find("suspected_by")) rule.suspected_by = texts_of(*work);
    return rule;
}

JointRule joint_of(YamlValue const& value) {
    YamlMap const map(value, {"name", "gain", "by", "not_with", "tolerance", "match", "except"});
    JointRule rule;
    rule.place = value.place;
    rule.gain = text_of(map.at("gain"));
    rule.not_with = texts_of(map.at("not_with"));
    rule.name = map.find("name") != nullptr ? text_of(map.at("name")) : "no " + rule.gain + " at the cost of others";
    if (auto const* by = map.find("by")) rule.by = share_of(*by);
    if (auto const* tolerance = map.find("tolerance")) rule.tolerance = share_of(*tolerance);
    rule.cells = selection_of(map);
    return rule;
}

Waiver waiver_of(YamlValue const& value, std::set<std::string> const& rules) {
    YamlMap const map(value, {"rule", "match", "except", "until", "reason"});
    Waiver waiver;
    if (auto const* rule = map.find("rule"))
        waiver.rule = choice_of(*rule, "rule", std::vector<std::string>(rules.begin(), rules.end()));
    waiver.cells = selection_of(map);
    waiver.until = text_of(map.at("until"));
    waiver.reason = text_of(map.at("reason"));
    bool date = waiver.until.size() == 10;
    for (std::size_t i = 0; date && i < 10; ++i)
        date = i == 4 || i == 7 ? waiver.until[i] == '-' : waiver.until[i] >= '0' && waiver.until[i] <= '9';
    if (!date) refuse(map.at("until"), "expected a day", {"2026-12-31"});
    return waiver;
}

Coverage coverage_of(YamlValue const& value) {
    if (value.kind == YamlValue::Kind::scalar) return {choice_of(value, "coverage", {"all", "none"}) == "all", {}};
    Coverage coverage{false, {}};
    for (auto const& item : items_of(value)) coverage.at_least.push_back({match_json(&item), Json::object()});
    return coverage;
}

void check_version(YamlValue const& root) {
    if (root.kind != YamlValue::Kind::map) refuse(root, "expected a gate's policy", {"gate: 1"});
    auto const found = std::ranges::find(root.entries, "gate", &YamlEntry::key);
    if (found == root.entries.end()) throw ConfigError("missing key", "gate", {"gate: 1"}, root.place);
    if (found->value.kind != YamlValue::Kind::scalar || found->value.text != "1")
        refuse(found->value, "unknown version of policies", {"1"});
}

}  // namespace

bool Selection::takes(Cell const& cell) const {
    return matches(match, cell) && (except.empty() || !matches(except, cell));
}

GatePolicy parse_policy(std::string const& yaml, std::string const& path) {
    auto const root = read_yaml(yaml, path);
    check_version(root);
    YamlMap const map(root, {"gate", "name", "base", "scenario", "only", "set", "build", "error_budget", "margin",
                             "inconclusive", "require", "rules", "joint", "waivers"});
    GatePolicy policy;
    policy.path = path;
    policy.text = yaml;
    policy.name = map.find("name") != nullptr ? text_of(map.at("name")) : std::filesystem::path(path).stem().string();
    if (auto const* base = map.find("base")) policy.base = text_of(*base);
    if (auto const* scenario = map.find("scenario")) policy.scenario = text_of(*scenario);
    if (auto const* only = map.find("only")) policy.only = texts_of(*only);
    if (auto const* set = map.find("set")) {
        policy.set = texts_of(*set);
        for (auto const& text : policy.set)
            if (text.find('=') == std::string::npos) refuse(*set, "expected a list of settings", {"KEY=VALUE"});
    }
    if (auto const* build = map.find("build")) {
        YamlMap const keys(*build, {"command", "program"});
        policy.build = text_of(keys.at("command"));
        policy.program = text_of(keys.at("program"));
    }
    if (auto const* budget = map.find("error_budget")) {
        policy.error_budget = share_of(*budget);
        if (policy.error_budget <= 0) refuse(*budget, "expected more than 0", {"1%"});
    }
    if (auto const* margin = map.find("margin")) policy.margin = share_of(*margin);
    if (auto const* inconclusive = map.find("inconclusive"))
        policy.inconclusive_fails = choice_of(*inconclusive, "answer", {"fail", "warn"}) == "fail";
    if (auto const* require = map.find("require")) policy.require = coverage_of(*require);
    std::set<std::string> names;
    auto const name_once = [&](std::string const& name, TextPlace const& place) {
        if (!names.insert(name).second) throw ConfigError("two rules have one name", name, {}, place);
    };
    for (auto const& item : items_of(map.at("rules"))) {
        policy.rules.push_back(rule_of(item));
        name_once(policy.rules.back().name, item.place);
    }
    if (auto const* joint = map.find("joint"))
        for (auto const& item : items_of(*joint)) {
            policy.joint.push_back(joint_of(item));
            name_once(policy.joint.back().name, item.place);
        }
    if (auto const* waivers = map.find("waivers"))
        for (auto const& item : items_of(*waivers)) policy.waivers.push_back(waiver_of(item, names));
    return policy;
}

void keep_rules(GatePolicy& policy, std::vector<std::string> const& names) {
    std::vector<std::string> known;
    for (auto const& rule : policy.rules) known.push_back(rule.name);
    for (auto const& rule : policy.joint) known.push_back(rule.name);
    for (auto const& name : names)
        if (std::ranges::find(known, name) == known.end())
            throw ConfigError("the policy has no rule of this name", name, known, {policy.path, 0, 0});
    auto const dropped = [&](auto const& rule) { return std::ranges::find(names, rule.name) == names.end(); };
    std::erase_if(policy.rules, dropped);
    std::erase_if(policy.joint, dropped);
    policy.require = {false, {}};
}

GatePolicy load_policy(std::string const& path) { return parse_policy(read_small_file(path), path); }

}  // namespace kvstone
