#include "scenarios/claims.hpp"

#include <cmath>

namespace kvstone {
namespace {

constexpr double default_share = 0.01;

/// The members that both have.
template <class Claim>
void read_subject(Claim& claim, YamlMap const& map, Axes const& axes, Vocabulary const& vocabulary,
                  Axes const* before) {
    claim.match = Json::object();
    if (auto const* match = map.find("match")) claim.match = match_of(*match, axes, vocabulary, before);
    claim.component = choice_of(map.at("component"), "component", {"k", "v", "kv"});
    claim.metric = vocabulary.metrics.empty() ? text_of(map.at("metric"))
                                              : choice_of(map.at("metric"), "metric", vocabulary.metrics);
}

/// A distance: "0.001", or "2%" of a value.
double distance_of(YamlValue const& value, double of) {
    double distance = 0;
    if (value.kind == YamlValue::Kind::scalar && value.text.ends_with('%')) {
        auto share = value;
        share.text.pop_back();
        distance = number_of(share) / 100 * std::abs(of);
    } else {
        distance = number_of(value);
    }
    if (distance < 0) refuse(value, "expected a distance", {"0.001", "2%"});
    return distance;
}

}  // namespace

double Published::tolerance() const { return within.value_or(default_share * std::abs(value)); }

Published published_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before) {
    YamlMap const map(
        value, {"match", "component", "metric", "value", "at_least", "at_most", "within", "setting", "comparable"});
    Published published;
    read_subject(published, map, axes, vocabulary, before);
    int said = 0;
    for (auto const& [key, relation] :
         {std::pair{"value", "equals"}, {"at_least", "at_least"}, {"at_most", "at_most"}}) {
        auto const* number = map.find(key);
        if (number == nullptr) continue;
        published.value = number_of(*number);
        published.relation = relation;
        ++said;
    }
    if (said == 0) map.at("value");
    if (said > 1) refuse(value, "expected one of them", {"value", "at_least", "at_most"});
    if (auto const* within = map.find("within")) {
        if (published.relation != "equals") refuse(*within, "a bound has no tolerance");
        published.within = distance_of(*within, published.value);
    }
    if (auto const* setting = map.find("setting")) published.setting = text_of(*setting);
    published.comparable = choice_of(map.at("comparable"), "degree of comparability", {"exact", "shape", "no"});
    return published;
}

Target target_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before) {
    YamlMap const map(value, {"match", "component", "metric", "at_least", "at_most", "from"});
    Target target;
    read_subject(target, map, axes, vocabulary, before);
    if (auto const* bound = map.find("at_least")) target.at_least = number_of(*bound);
    if (auto const* bound = map.find("at_most")) target.at_most = number_of(*bound);
    if (!target.at_least && !target.at_most) refuse(value, "expected a bound", {"at_least", "at_most"});
    if (target.at_least && target.at_most && *target.at_least > *target.at_most)
        refuse(map.at("at_least"), "no value is at least this and at most the other");
    if (auto const* origin = map.find("from")) target.origin = text_of(*origin);
    return target;
}

}  // namespace kvstone
