// `show --history`: one metric by commit and night.

#include <ostream>

#include <fmt/ostream.h>

#include "results/query/show.hpp"
#include "results/record/metrics.hpp"
#include "results/record/wrapped.hpp"
#include "results/statistics/change_points.hpp"

namespace kvstone {

void show_history(Store const& store, std::ostream& out, std::string const& metric, ShowOptions const& options) {
    auto result = history_rows(store, metric, options.campaign);
    // People know cells by their members, not by their ids.
    for (auto& row : result.rows) row.erase(row.begin(), row.begin() + 1);
    result.columns.erase(result.columns.begin());
    std::string said;
    print(out, said_once(std::move(result), {"codec", "night", "build", "value", "moved"}, said), TableFormat::table,
          options.screen);
    bool const deterministic = find_metric(metric)->deterministic;
    auto const moved =
        deterministic ? std::string("the figure is equal to the last digit between runs, so every change is marked.")
                      : fmt::format("a hint; {:.1f}% of series of 100 quiet nights get one.",
                                    100 * change_point_false_alarms_per_100_nights);
    fmt::print(out, "\n{}\n",
               wrapped(fmt::format("{}{}same: whether a line has the binary of the line before, or at least its "
                                   "toolchain.\nmoved: {}",
                                   said, said.empty() ? "" : "\n", moved),
                       options.screen.columns, 2));
}

}  // namespace kvstone
