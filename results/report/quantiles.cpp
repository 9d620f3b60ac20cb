#include "results/report/quantiles.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

std::vector<double> quantiles_of(std::vector<double>& samples) {
    std::ranges::sort(samples);
    std::vector<double> result{static_cast<double>(samples.size())};
    for (double const share : {0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0}) {
        double const place = share * static_cast<double>(samples.size() - 1);
        auto const below = static_cast<std::size_t>(place);
        auto const above = std::min(below + 1, samples.size() - 1);
        result.push_back(std::lerp(samples[below], samples[above], place - static_cast<double>(below)));
    }
    return result;
}

}  // namespace

std::vector<RowSeries> read_quantiles(Store const& store, ReportTable const& table) {
    using Key = std::pair<std::string, std::string>;
    std::map<Key, RowSeries> columns;
    std::map<std::int64_t, std::string> names;
    Statement metric(store.connection(), "SELECT id, name FROM metric");
    while (metric.step()) names[metric.integer(0)] = metric.text(1);

    Statement sample(store.connection(), "SELECT metric, component, value FROM sample WHERE attempt = ?");
    Statement attempts(store.connection(), "SELECT attempt FROM v_current WHERE campaign = ? AND cell = ?");
    std::map<std::pair<std::int64_t, std::string>, std::vector<double>> series;
    auto const collect = [&](std::int64_t attempt) {
        std::vector<double>* current = nullptr;  // samples of one series follow each other
        std::int64_t of = 0;
        std::string component;
        for (sample.with(attempt); sample.step();) {
            if (sample.is_null(2)) continue;
            if (current == nullptr || sample.integer(0) != of || !sample.equals(1, component)) {
                of = sample.integer(0);
                component = sample.text(1);
                current = &series[{of, component}];
            }
            current->push_back(sample.real(2));
        }
    };
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        auto const& row = table.rows[i];
        series.clear();
        if (row.processes == 1) {
            collect(row.attempt);
        } else {
            attempts.with(table.campaigns[static_cast<std::size_t>(row.campaign)].number, row.cell);
            while (attempts.step()) collect(attempts.integer(0));
        }
        for (auto& [of, samples] : series) {
            auto& column = columns[{names[of.first], of.second}];
            if (column.rows.empty()) column = {names[of.first], of.second, {}};
            column.rows.resize(table.rows.size());
            column.rows[i] = quantiles_of(samples);
        }
    }
    std::vector<RowSeries> all;
    for (auto& [key, column] : columns) all.push_back(std::move(column));
    return all;
}

}  // namespace kvstone
