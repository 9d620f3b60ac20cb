#pragma once
// Rows of workload tasks beside rows of workload model: the loss of a text and that of answers, in one condition.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "results/store/store.hpp"

namespace kvstone {

/// As SQL over the columns of table `cell`, whose name or alias is given: equal for rows of both workloads that have the
/// codec, the weights, the reference model, and the protocol with its prefill in common. Contexts, texts and tasks differ.
std::string same_cache_sql(std::string_view cell);

/// As SQL likewise, of a row of workload tasks: "workload tasks, key_value, contexts of 768 tokens". Where no context was
/// asked for, its tokens are left out.
std::string task_title_sql(std::string_view cell);

struct TaskCell {
    std::string cell;
    std::string title;  ///< see task_title_sql()
};

/// Rows of workload tasks, by cells of workload model with the same cache.
using TasksOfCells = std::map<std::string, std::vector<TaskCell>>;

/// Those of a campaign, by its id, among some cells.
TasksOfCells tasks_of_cells(Store const& store, std::string const& campaign, std::set<std::string> const& among);

}  // namespace kvstone
