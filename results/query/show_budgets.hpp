#pragma once
// Hit rates of prefix caches by budget.

#include <string>

#include "results/query/query.hpp"

namespace kvstone {

/// Where workload prefix_cache of a campaign has two budgets of bytes or more: a row for each codec, policy and every
/// other difference, with codec, policy, source and token_hit_rate at each budget. The same for two numbers of blocks,
/// where there are no budgets. Of more than 7 columns 7 are shown, the least and the largest among them.
QueryResult budget_rows(Store const& store, std::string const& campaign);

}  // namespace kvstone
