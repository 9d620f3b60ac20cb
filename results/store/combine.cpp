#include "results/store/combine.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "results/statistics/median.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

struct ProcessFigure {
    double value = 0;
    std::int64_t n = 0;
    std::optional<double> ci_low, ci_high;
};

struct MetricFigures {
    bool deterministic = false;
    std::vector<ProcessFigure> processes;
};

std::optional<double> nullable(Statement const& statement, int column) {
    if (statement.is_null(column)) return std::nullopt;
    return statement.real(column);
}

}  // namespace

void combine_processes(sqlite3* connection, std::int64_t campaign, std::int64_t cell) {
    Statement(connection, "DELETE FROM combined WHERE campaign = ? AND cell = ?").run(campaign, cell);
    Statement read(connection,
                   "SELECT f.metric, f.component, m.deterministic, f.value, f.n, f.ci_low, f.ci_high "
                   "FROM v_current c JOIN figure f ON f.attempt = c.attempt JOIN metric m ON m.id = f.metric "
                   "WHERE c.campaign = ?1 AND c.cell = ?2 AND 'ok' = "
                   "(SELECT status FROM v_outcome WHERE campaign = ?1 AND cell = ?2)");
    std::map<std::pair<std::int64_t, std::string>, MetricFigures> found;
    read.with(campaign, cell);
    while (read.step()) {
        auto& figures = found[{read.integer(0), read.text(1)}];
        figures.deterministic = read.integer(2) != 0;
        if (!read.is_null(3))
            figures.processes.push_back({read.real(3), read.integer(4), nullable(read, 5), nullable(read, 6)});
    }
    Statement write(connection, "INSERT INTO combined VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    for (auto& [key, figures] : found) {
        auto& processes = figures.processes;
        std::sort(processes.begin(), processes.end(), [](auto const& a, auto const& b) { return a.value < b.value; });
        auto const& [metric, component] = key;
        if (processes.empty()) {
            write.run(campaign, cell, metric, component, nullptr, 0, nullptr, nullptr);
        } else if (processes.front().value == processes.back().value &&
                   (figures.deterministic || processes.size() > 1)) {
            // Processes that agree to the last digit say nothing of how sure the figure is; each of them does.
            auto const& any = processes.front();
            write.run(campaign, cell, metric, component, any.value, any.n, any.ci_low, any.ci_high);
        } else {
            std::vector<double> values;
            for (auto const& process : processes) values.push_back(process.value);
            auto const median = median_estimate_of_sorted(values);
            write.run(campaign, cell, metric, component, median.value, std::uint64_t{values.size()}, median.low,
                      median.high);
        }
    }
}

}  // namespace kvstone
