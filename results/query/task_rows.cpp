#include "results/query/task_rows.hpp"

#include <fmt/format.h>

#include "results/store/sqlite.hpp"

namespace kvstone {

std::string same_cache_sql(std::string_view cell) {
    return fmt::format(
        "({0}.codec || ' ' || json_extract({0}.source, '$.sha256') || ' ' || coalesce(json_extract({0}.source, "
        "'$.reference_sha256'), json_extract({0}.source, '$.sha256')) || ' ' || json_extract({0}.options, "
        "'$.protocol') || ' ' || "
        "coalesce(json_extract({0}.options, '$.prefill'), 'clean'))",
        cell);
}

std::string task_title_sql(std::string_view cell) {
    return fmt::format(
        "('workload tasks, ' || json_extract({0}.options, '$.task') || iif({0}.context > 0, ', contexts of ' || "
        "{0}.context || ' tokens', ''))",
        cell);
}

TasksOfCells tasks_of_cells(Store const& store, std::string const& campaign, std::set<std::string> const& among) {
    std::map<std::string, std::vector<TaskCell>> tasks;
    std::map<std::string, std::string> models;  // their caches
    Statement cell(store.connection(),
                   fmt::format("SELECT x.uid, x.workload, {}, {} FROM expected e JOIN campaign c ON c.id = e.campaign "
                               "JOIN cell x ON x.id = e.cell WHERE c.uid = ? AND e.process = 0 AND x.workload IN "
                               "('model', 'tasks') ORDER BY e.position",
                               same_cache_sql("x"), task_title_sql("x")));
    cell.with(campaign);
    while (cell.step()) {
        if (!among.contains(cell.text(0))) continue;
        if (cell.text(1) == "model")
            models.emplace(cell.text(0), cell.text(2));
        else
            tasks[cell.text(2)].push_back({cell.text(0), cell.text(3)});
    }
    TasksOfCells all;
    for (auto const& [model, cache] : models)
        if (auto const found = tasks.find(cache); found != tasks.end()) all.emplace(model, found->second);
    return all;
}

}  // namespace kvstone
