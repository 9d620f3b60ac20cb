#include "scenarios/shared_captures.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace kvstone {

void share_captures(std::vector<Cell>& cells, Vocabulary const& vocabulary) {
    auto const is_one_of = [](std::vector<std::string> const& workloads, Cell const& cell) {
        return std::ranges::find(workloads, cell.workload) != workloads.end();
    };
    auto const capture_of = [](Cell const& cell) { return std::pair(cell.source.dump(), cell.context); };
    std::set<std::pair<std::string, std::uint64_t>> with_queries;
    for (auto const& cell : cells)
        if (is_one_of(vocabulary.query_readers, cell) && cell.source.at("kind") == "model")
            with_queries.insert(capture_of(cell));
    if (with_queries.empty()) return;
    for (auto& cell : cells)
        if (is_one_of(vocabulary.capture_readers, cell) && with_queries.contains(capture_of(cell)))
            cell.locator["queries"] = true;
}

}  // namespace kvstone
