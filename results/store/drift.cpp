#include "results/store/drift.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/ranges.h>

#include "results/statistics/median.hpp"

namespace kvstone {

std::optional<double> drift_below(std::vector<double> history, double now, std::optional<double> unit) {
    if (history.size() < drift_history_least) return std::nullopt;
    double const usual = median(history);
    double const scale = unit.value_or(usual);
    for (auto& value : history) value = std::abs(value - usual);
    double const fraction = (usual - now) / scale;
    double const noise = 1.4826 * median(history) / scale;
    if (fraction <= std::max(drift_fraction, drift_deviations * noise)) return std::nullopt;
    return fraction;
}

DriftMarker::DriftMarker(sqlite3* connection)
    : find_hosts_(
          connection,
          "SELECT other.id, mine.id, a.roofline_gb_per_s, a.clock_mhz, a.load_average, mine.threads, a.device, "
          "a.threads FROM attempt a JOIN host mine ON mine.id = a.host JOIN host other ON other.name = mine.name "
          "AND other.hardware_class = mine.hardware_class WHERE a.id = ? ORDER BY other.id DESC"),
      find_earlier_(
          connection,
          "SELECT e.roofline_gb_per_s, e.clock_mhz, e.load_average FROM attempt e, attempt a WHERE e.host = ?1 "
          "AND a.id = ?2 AND e.id < a.id AND e.roofline_gb_per_s IS NOT NULL AND e.drift IS NULL AND e.device "
          "IS a.device AND e.threads IS a.threads ORDER BY e.id DESC LIMIT ?3"),
      mark_(connection, "UPDATE attempt SET drift = ? WHERE id = ?") {}

std::vector<DriftMarker::Surroundings>& DriftMarker::recent(Place const& place, std::int64_t attempt) {
    auto const [found, absent] = recent_.try_emplace(place);
    if (absent)
        for (find_earlier_.with(std::get<0>(place), attempt, drift_history_most); find_earlier_.step();)
            found->second.push_back({find_earlier_.real(0), find_earlier_.real(1), find_earlier_.real(2)});
    find_earlier_.reset();
    return found->second;
}

void DriftMarker::mark(std::int64_t attempt) {
    struct {
        double now = 0;
        std::vector<double> earlier = {};
    } roofline, clock, load;
    double threads = 1;
    std::vector<Surroundings>* own = nullptr;
    find_hosts_.with(attempt);
    while (find_hosts_.step() && (own == nullptr || roofline.earlier.size() < drift_history_most)) {
        auto const host = find_hosts_.integer(0);
        roofline.now = find_hosts_.real(2);
        clock.now = find_hosts_.real(3);
        load.now = find_hosts_.real(4);
        threads = std::max(1.0, find_hosts_.real(5));
        auto& there = recent({host, find_hosts_.text(6), find_hosts_.integer(7)}, attempt);
        if (host == find_hosts_.integer(1)) own = &there;
        for (auto const& earlier : there) {
            if (roofline.earlier.size() == drift_history_most) break;
            roofline.earlier.push_back(earlier.roofline_gb_per_s);
            if (earlier.clock_mhz > 0) clock.earlier.push_back(earlier.clock_mhz);
            load.earlier.push_back(-earlier.load_average);  // more of it is worse
        }
    }
    find_hosts_.reset();
    std::vector<std::string> words;
    if (auto const below = roofline.now > 0 ? drift_below(roofline.earlier, roofline.now) : std::nullopt)
        words.push_back(fmt::format("roofline {:.3g} GB/s is {:.0f}% below this host's", roofline.now, 100 * *below));
    if (auto const below = clock.now > 0 ? drift_below(clock.earlier, clock.now) : std::nullopt)
        words.push_back(fmt::format("clock {:.0f} MHz is {:.0f}% below this host's", clock.now, 100 * *below));
    if (auto const above = drift_below(load.earlier, -load.now, threads))
        words.push_back(fmt::format("load {:.2f} is {:.0f}% of its threads above this host's", load.now, 100 * *above));
    if (!words.empty()) {
        mark_.run(fmt::format("{}", fmt::join(words, "; ")), attempt);
    } else if (own != nullptr) {
        own->insert(own->begin(), {roofline.now, clock.now, load.now});
        own->resize(std::min(own->size(), drift_history_most));
    }
}

}  // namespace kvstone
