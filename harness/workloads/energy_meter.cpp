#include "harness/workloads/energy_meter.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "backends/nvml.hpp"
#include "backends/powercap.hpp"
#include "codecs/from_outside.hpp"
#include "harness/workloads/verify.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr std::size_t intervals_seen = 5;
constexpr std::int64_t patience_ns = 2'000'000'000;
constexpr double ns_per_s = 1e9;
constexpr double uj_per_joule = 1e6;
/// Watts times nanoseconds are 10^-9 J.
constexpr double uj_per_watt_ns = 1e-3;

}  // namespace

EnergyMeter::EnergyMeter(std::vector<EnergyCounter> counters, Clock clock)
    : counters_(std::move(counters)), clock_(std::move(clock)) {
    double longest_ns = 0;
    for (auto const& counter : counters_) {
        auto const interval = interval_ns(counter);
        if (!interval) return;
        longest_ns = std::max(longest_ns, *interval);
    }
    least_ns_ = static_cast<std::int64_t>(longest_ns * least_updates);
}

std::int64_t EnergyMeter::steady_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// The median: this process may have waited during one.
std::optional<double> EnergyMeter::interval_ns(EnergyCounter const& counter) {
    auto const begun_ns = clock_();
    std::optional<std::int64_t> changed_ns;
    std::vector<double> intervals;
    auto last = counter.read_uj();
    if (!last) problem_ = fmt::format("the counter of {} does not tell", counter.domain);
    while (last && intervals.size() < intervals_seen) {
        auto const value = counter.read_uj();
        auto const now_ns = clock_();
        if (value && *value == *last && now_ns - begun_ns < patience_ns) continue;
        if (!value || *value == *last) {
            problem_ = value ? fmt::format("the counter of {} stands still: it took no step for {:g} s", counter.domain,
                                           static_cast<double>(patience_ns) / ns_per_s)
                             : fmt::format("the counter of {} no longer tells", counter.domain);
            return std::nullopt;
        }
        if (changed_ns) intervals.push_back(static_cast<double>(now_ns - *changed_ns));
        changed_ns = now_ns;
        last = value;
    }
    return intervals.empty() ? std::nullopt : std::optional(median(std::move(intervals)));
}

std::string EnergyMeter::domains() const {
    std::string names;
    for (auto const& counter : counters_) names += (names.empty() ? "" : " + ") + counter.domain;
    return names + ", idle power included";
}

EnergyMeter::Reading EnergyMeter::read() const {
    Reading reading;
    for (auto const& counter : counters_) reading.uj.push_back(counter.read_uj());
    reading.ns = clock_();
    return reading;
}

std::optional<double> EnergyMeter::joules_between(Reading const& before, Reading const& after,
                                                  std::string& problem) const {
    auto const ns = after.ns - before.ns;
    if (!tells() || ns < least_ns_) return std::nullopt;
    auto const lacks = [&](EnergyCounter const& counter, char const* why) {
        problem = fmt::format("the counter of {} {}", counter.domain, why);
        return std::nullopt;
    };
    double const most_uj = most_watts * static_cast<double>(ns) * uj_per_watt_ns;
    double sum_uj = 0;
    for (std::size_t i = 0; i < counters_.size(); ++i) {
        auto const &first = before.uj[i], &last = after.uj[i];
        auto const range_uj = counters_[i].range_uj;
        if (!first || !last) return lacks(counters_[i], "no longer tells");
        if (most_uj > static_cast<double>(range_uj)) return lacks(counters_[i], "may have begun again twice");
        auto const used_uj = static_cast<double>(*last >= *first ? *last - *first : *last + (range_uj - *first));
        if (used_uj > most_uj) return lacks(counters_[i], "was set back");  // as by a suspended machine
        if (used_uj == 0) return lacks(counters_[i], "stood still during the work");
        sum_uj += used_uj;
    }
    return sum_uj / uj_per_joule;
}

std::optional<PassEnergy> EnergyMeter::of_passes(std::function<void()> const& pass, std::string& problem) const {
    if (!tells()) {
        problem = problem_;
        return std::nullopt;
    }
    std::uint64_t passes = 0;
    auto const before = read();
    do {
        pass();
        ++passes;
    } while (clock_() - before.ns < least_ns_);
    auto const joules = joules_between(before, read(), problem);
    if (!joules) return std::nullopt;
    return PassEnergy{*joules / static_cast<double>(passes), passes};
}

std::optional<double> EnergyMeter::joules_of(std::function<void()> const& work) const {
    auto const before = read();
    work();
    std::string problem;
    return joules_between(before, read(), problem);
}

std::optional<EnergyMeter> energy_meter(AttemptRequest const& request, bool on_device, Measurement& measurement) {
    if (!request.measure.energy || is_of_scenario(request.cell.codec)) return std::nullopt;
    auto counters = on_device ? nvml_counter(device_bus_id()) : powercap_counters();
    if (counters.all.empty()) return std::nullopt;
    EnergyMeter meter(std::move(counters.all));
    if (!meter.tells()) {
        warn_of_no_energy(measurement, meter.problem());
        return std::nullopt;
    }
    measurement.host["energy"] = meter.domains();
    return meter;
}

void warn_of_no_energy(Measurement& measurement, std::string const& problem) {
    warn(measurement, "no_energy: " + problem);
}

}  // namespace kvstone
