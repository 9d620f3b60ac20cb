#pragma once
// Hit rates of prefix caches over what they may hold.

#include <string>

#include "results/query/query.hpp"

namespace kvstone {

/// Where workload prefix_cache of a campaign has two budgets of bytes or more, a row for each codec, policy and whatever else
/// differs: codec, policy, source and token_hit_rate at each budget. The same where it has two numbers of blocks, and no
/// budgets. Of more than 7 of them 7 stand there, the least and the largest among them.
QueryResult budget_rows(Store const& store, std::string const& campaign);

}  // namespace kvstone
