#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "results/store/maintenance.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/table_links.hpp"

namespace kvstone {
namespace {

/// Statements that remove the rows that refer to the campaigns in temp.doomed_campaign, over however many tables.
std::vector<std::string> removals(sqlite3* connection, std::vector<TableLinks> const& tables) {
    std::vector<std::string> statements;
    std::set<std::string> doomed{"campaign"};
    for (auto const& table : tables) {
        std::string where;
        for (auto const& [column, other] : table.refers)
            if (doomed.contains(other))
                where += fmt::format("{}\"{}\" IN (SELECT id FROM temp.doomed_{})", where.empty() ? "" : " OR ", column,
                                     other);
        if (table.name == "campaign") where = "id IN (SELECT id FROM temp.doomed_campaign)";
        if (where.empty()) continue;
        statements.push_back(fmt::format("DELETE FROM main.\"{}\" WHERE {}", table.name, where));
        if (!table.has_id || table.name == "campaign") continue;
        execute(connection, fmt::format("CREATE TEMP TABLE doomed_{0} AS SELECT id FROM main.\"{0}\" WHERE {1}",
                                        table.name, where));
        doomed.insert(table.name);
    }
    for (auto const& name : doomed) statements.insert(statements.begin(), "DROP TABLE temp.doomed_" + name);
    std::ranges::reverse(statements);
    return statements;
}

/// Rows that no row refers to any more.
std::string orphans(std::vector<TableLinks> const& tables, std::string_view name) {
    std::string where;
    for (auto const& table : tables)
        for (auto const& [column, other] : table.refers)
            if (other == name)
                where += fmt::format(" AND id NOT IN (SELECT \"{0}\" FROM main.\"{1}\" WHERE \"{0}\" IS NOT NULL)",
                                     column, table.name);
    return fmt::format("DELETE FROM main.\"{}\" WHERE true{}", name, where);
}

}  // namespace

std::vector<PrunedCampaign> prunable(Store const& store, PruneChoice const& choice) {
    std::vector<PrunedCampaign> found;
    Statement select(store.connection(),
                     "SELECT uid, scenario, started_utc, (SELECT count(*) FROM attempt a WHERE a.campaign = c.id) FROM "
                     "campaign c ORDER BY started_utc, id");
    while (select.step()) {
        bool const named = std::ranges::find(choice.campaigns, select.text(0)) != choice.campaigns.end();
        if (named || select.text(2) < choice.before_utc)
            found.push_back({select.text(0), select.text(1), select.text(2), select.integer(3)});
    }
    return found;
}

std::vector<PrunedCampaign> prune(Store& store, PruneChoice const& choice) {
    auto* const connection = store.connection();
    auto found = prunable(store, choice);
    if (found.empty()) return found;
    auto const tables = read_table_links(connection);
    Transaction transaction(connection);
    execute(connection, "CREATE TEMP TABLE doomed_campaign(id INTEGER PRIMARY KEY)");
    Statement doomed(connection, "INSERT INTO temp.doomed_campaign SELECT id FROM campaign WHERE uid = ?");
    for (auto const& campaign : found) doomed.run(campaign.id);
    for (auto const& statement : removals(connection, tables)) execute(connection, statement);
    for (auto const* name : {"cell", "plan", "build", "toolchain", "host", "series"})
        execute(connection, orphans(tables, name));
    transaction.commit();
    execute(connection, "VACUUM");
    return found;
}

}  // namespace kvstone
