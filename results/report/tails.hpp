#pragma once
// Tails of models' answers as a table.

#include <string>
#include <vector>

#include "results/query/query.hpp"

namespace kvstone {

struct Tails {
    QueryResult table;
    std::vector<std::string>
        notes;  ///< why intervals are doubtful, or figures missing: passages or scored tokens are too few
};

/// A row for each cell of a campaign that has tails of the KL divergence, by kld_p999, then by kld_p99: mean and tails, shares
/// of tokens, kinds of token, each with its 95% interval; the position (token) behind which the largest divergence lies, to
/// the width of a bin of the profile; and the number of passages. Columns without a value are left out. No row where no cell
/// has tails.
Tails read_tails(Store const& store, std::string const& campaign);

}  // namespace kvstone
