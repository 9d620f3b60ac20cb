#include "harness/cli/recovery.hpp"

#include <map>

#include <fmt/format.h>

#include "results/record/metrics.hpp"

namespace kvstone {
namespace {

/// The name of a metric that this build does not have; empty: it has all.
std::string unknown_metric(Measurement const& measurement) {
    for (auto const& figure : measurement.figures)
        if (find_metric(figure.metric) == nullptr) return figure.metric;
    for (auto const& samples : measurement.samples)
        if (find_metric(samples.metric) == nullptr) return samples.metric;
    for (auto const& profile : measurement.profiles)
        if (find_metric(profile.metric) == nullptr) return profile.metric;
    return {};
}

}  // namespace

std::vector<SpooledAttempt> recover_spools(Store& store, std::string const& folder, Locking locking,
                                           std::function<void(std::string const&)> const& notice) {
    std::vector<SpooledAttempt> under_way;
    auto const take = [&](std::string const& path, SpoolContent const& content) -> SpoolFate {
        under_way.insert(under_way.end(), content.under_way.begin(), content.under_way.end());
        for (auto const& text : content.notices) notice(fmt::format("{}: {}", path, text));
        std::map<std::string, std::vector<Measurement>> by_campaign;
        std::map<std::string, int> unknown;  // attempts by metric
        for (auto const& [campaign, measurement] : content.attempts) {
            auto const metric = unknown_metric(measurement);
            if (metric.empty())
                by_campaign[campaign].push_back(measurement);
            else
                ++unknown[metric];
        }
        for (auto const& [metric, attempts] : unknown)
            notice(fmt::format("{}: {} attempts have metric '{}', which this build does not know: not stored", path,
                               attempts, metric));
        std::size_t stored = 0;
        bool all_known = true;
        for (auto const& [campaign, measurements] : by_campaign) {
            auto const recovered = store.recover(campaign, measurements);
            stored += recovered.value_or(0);
            if (recovered) continue;
            all_known = false;
            notice(fmt::format("{}: the database has no campaign {}: kept there", path, campaign));
        }
        if (stored > 0)
            notice(fmt::format("{}: {} attempts that an earlier run had not stored are stored", path, stored));
        if (!content.not_understood.empty()) return {SpoolFate::Kind::set_aside, content.not_understood};
        if (!unknown.empty()) return {SpoolFate::Kind::set_aside, "unknown-metric"};
        return {all_known ? SpoolFate::Kind::remove : SpoolFate::Kind::keep};
    };
    collect_spools(folder, take, notice, locking);
    return under_way;
}

}  // namespace kvstone
