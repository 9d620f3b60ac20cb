#pragma once
// The text before each group of items.

#include <cstdint>
#include <string>
#include <vector>

#include "harness/workloads/tasks/recall.hpp"
#include "harness/workloads/tasks/task_item.hpp"

namespace kvstone {

/// Items of a file behind other items with their answers, as few as have `tokens` tokens: the first items of the file
/// stand before all others. Where the limit asks for those first ones too, they get the items behind them as their
/// prefix. No item is asked behind itself. At most `limit` items, in the file's order, those behind the first prefix
/// first. Throws ConfigError naming `path` where no item is left.
std::vector<TaskGroup> file_groups(std::vector<TaskItem> const& items, std::uint64_t tokens, std::uint64_t limit,
                                   std::string const& path, TokenCount const& tokens_of);

/// `limit` generated items behind as many stories as they need, from settings.story on.
std::vector<TaskGroup> story_groups(RecallSettings settings, std::uint64_t limit, TokenCount const& tokens_of);

}  // namespace kvstone
