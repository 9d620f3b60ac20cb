#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/workloads/tasks/task_item.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// protocol and task (must be given), file, labels, items, min_context_tokens, seed, prefill: see
/// `kvstone list workloads`.
std::vector<WorkloadOption> tasks_options();

/// Reads the task's file from end to end. Throws ConfigError: with file and line where it is broken, and where options
/// contradict each other.
void check_tasks(Json const& options, Json const& locator);

/// Number of items where none is given, for generated tasks.
inline constexpr std::uint64_t generated_items = 96;
/// The default of min_context_tokens.
inline constexpr std::uint64_t default_context_tokens = 512;

/// Empty where no task is named.
std::string task_of(Json const& options);
/// Whether its items are drawn (harness/workloads/tasks/recall.hpp) rather than read.
bool is_generated(std::string const& task);
/// The items of a task that is read from files.
std::vector<TaskItem> items_of(Json const& options, Json const& locator);

}  // namespace kvstone
