#include "harness/planning/shared_captures.hpp"

#include <set>
#include <utility>

namespace kvstone {

void share_captures(Plan& plan) {
    auto const capture_of = [](Cell const& cell) { return std::pair(cell.source.dump(), cell.context); };
    std::set<std::pair<std::string, std::uint64_t>> with_queries;
    for (auto const& cell : plan.cells)
        if (cell.workload == "attention" && cell.source.at("kind") == "model") with_queries.insert(capture_of(cell));
    for (auto& cell : plan.cells)
        // Workload model captures a few tokens of its own.
        if (cell.workload != "model" && with_queries.contains(capture_of(cell))) cell.locator["queries"] = true;
}

}  // namespace kvstone
