#include "results/store/claims.hpp"

#include <string>

#include <fmt/format.h>

#include "results/record/metrics.hpp"
#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// The metric's name, known to be one.
std::string const& known_metric(std::string const& name) {
    if (find_metric(name) != nullptr) return name;
    std::vector<std::string> known;
    for (auto const& metric : metrics()) known.emplace_back(metric.name);
    throw ConfigError("the scenario speaks of an unknown metric", name, known);
}

/// `table` is "published" or "target".
void forget(sqlite3* connection, std::string const& table, std::int64_t campaign) {
    Statement(connection,
              fmt::format("DELETE FROM {0}_cell WHERE {0} IN (SELECT id FROM {0} WHERE campaign = ?)", table))
        .run(campaign);
    Statement(connection, fmt::format("DELETE FROM {} WHERE campaign = ?", table)).run(campaign);
}

/// Ties the row inserted last to the cells that `match` takes.
class CellsOf {
  public:
    CellsOf(sqlite3* connection, std::string const& table, Plan const& plan)
        : connection_(connection),
          plan_(plan),
          insert_(connection, fmt::format("INSERT INTO {}_cell SELECT ?, id FROM cell WHERE uid = ? ON CONFLICT DO "
                                          "NOTHING",
                                          table)) {}
    void write(Json const& match) {
        auto const id = sqlite3_last_insert_rowid(connection_);
        for (auto const& cell : plan_.cells)
            if (matches(match, cell)) insert_.run(id, cell.id);
    }

  private:
    sqlite3* connection_;
    Plan const& plan_;
    Statement insert_;
};

}  // namespace

void write_claims(sqlite3* connection, std::int64_t campaign, Plan const& plan) {
    forget(connection, "published", campaign);
    forget(connection, "target", campaign);
    Statement figure(connection,
                     "INSERT INTO published(campaign, match, component, metric, value, setting, comparable, relation, "
                     "tolerance) VALUES (?, ?, ?, (SELECT id FROM metric WHERE name = ?), ?, ?, ?, ?, ?)");
    CellsOf compared(connection, "published", plan);
    for (auto const& p : plan.published) {
        figure.run(campaign, p.match.dump(), p.component, known_metric(p.metric), p.value, p.setting, p.comparable,
                   p.relation, p.tolerance());
        compared.write(p.match);
    }
    Statement target(connection,
                     "INSERT INTO target(campaign, match, component, metric, at_least, at_most, origin) VALUES (?, ?, "
                     "?, (SELECT id FROM metric WHERE name = ?), ?, ?, nullif(?, ''))");
    CellsOf judged(connection, "target", plan);
    for (auto const& t : plan.targets) {
        target.run(campaign, t.match.dump(), t.component, known_metric(t.metric), t.at_least, t.at_most, t.origin);
        judged.write(t.match);
    }
}

}  // namespace kvstone
