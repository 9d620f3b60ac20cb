#include "results/query/recorded_history.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "results/statistics/median.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// Longer than any probe, shorter than a night between two runs of one campaign.
constexpr double longest_gap_s = 60;

double median_gap_s(Store const& store) {
    Statement gaps(store.connection(),
                   "SELECT gap_s FROM (SELECT 86400 * (julianday(a.started_utc) - julianday(lag(a.finished_utc) OVER "
                   "(PARTITION BY a.campaign, a.host ORDER BY a.started_utc))) AS gap_s FROM attempt a JOIN campaign "
                   "ON campaign.id = a.campaign JOIN plan ON plan.id = campaign.plan WHERE a.wall_ns > 0 AND "
                   "json_extract(plan.measure, '$.timing')) WHERE gap_s BETWEEN 0 AND ?");
    gaps.with(longest_gap_s);
    std::vector<double> all;
    while (gaps.step()) all.push_back(gaps.real(0));
    return all.empty() ? 0 : median(std::move(all));
}

/// The attempts at one cell that are most like the next one, and how often each host timed it.
struct Attempts {
    int likeness = -1;
    std::vector<double> walls_s;
    std::map<std::string, std::pair<int, std::string>> hosts;  ///< number and last end by name

    void add(double wall_s, int its_likeness) {
        if (its_likeness < likeness) return;
        if (its_likeness > likeness) walls_s.clear();
        likeness = its_likeness;
        walls_s.push_back(wall_s);
    }
    void timed_on(std::string const& host, std::string const& finished_utc) {
        auto& [number, last] = hosts[host];
        ++number;
        last = std::max(last, finished_utc);
    }
    std::string home() const {
        auto const most = std::max_element(hosts.begin(), hosts.end(),
                                           [](auto const& a, auto const& b) { return a.second < b.second; });
        return most == hosts.end() ? "" : most->first;
    }
};

bool as_long(std::string const& stored, Measure const& measure) {
    auto const json = parse_json_or_discard(stored);
    return json.is_object() && json.value("min_time_s", 0.0) == measure.min_time_s &&
           json.value("repetitions", 0) == measure.repetitions && json.value("timing", true) == measure.timing;
}

std::map<std::string, Attempts> attempts_by_cell(Store const& store, Measure const& measure,
                                                 std::string const& hardware_class) {
    std::map<std::int64_t, bool> plans;  // measured as long as now
    Statement plan(store.connection(), "SELECT id, measure FROM plan");
    while (plan.step()) plans[plan.integer(0)] = as_long(plan.text(1), measure);

    Statement select(store.connection(),
                     "SELECT cell.uid, a.wall_ns / 1e9, campaign.plan, host.hardware_class IS ?, host.name, a.stands, "
                     "a.finished_utc FROM attempt a JOIN cell ON cell.id = a.cell JOIN campaign ON campaign.id = "
                     "a.campaign LEFT JOIN host ON host.id = a.host WHERE a.wall_ns > 0 AND a.status NOT IN "
                     "('skipped', 'node_lost')");
    select.with(hardware_class);
    std::map<std::string, Attempts> cells;
    while (select.step()) {
        auto& attempts = cells[select.text(0)];
        bool const same_class = select.integer(3) != 0;
        attempts.add(select.real(1), 2 * (plans[select.integer(2)] ? 1 : 0) + (same_class ? 1 : 0));
        if (same_class && select.integer(5) != 0) attempts.timed_on(select.text(4), select.text(6));
    }
    return cells;
}

/// Square root of the variance of logarithms around each cell's own mean.
double spread_of(std::map<std::string, Attempts> const& cells) {
    double squares = 0;
    double degrees = 0;
    for (auto const& [id, attempts] : cells) {
        double sum = 0;
        for (double const wall_s : attempts.walls_s) sum += std::log(wall_s);
        double const mean = sum / static_cast<double>(attempts.walls_s.size());
        for (double const wall_s : attempts.walls_s) squares += std::pow(std::log(wall_s) - mean, 2);
        degrees += static_cast<double>(attempts.walls_s.size()) - 1;
    }
    return degrees > 0 ? std::sqrt(squares / degrees) : 0;
}

}  // namespace

History recorded_history(Store const& store, Measure const& measure, std::string const& hardware_class) {
    auto const cells = attempts_by_cell(store, measure, hardware_class);
    History history;
    history.between_s = median_gap_s(store);
    history.spread = spread_of(cells);
    for (auto const& [id, attempts] : cells)
        history.cells[id] = {median(attempts.walls_s) + (measure.timing ? history.between_s : 0), attempts.home()};
    return history;
}

}  // namespace kvstone
