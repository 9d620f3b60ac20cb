#pragma once
// Ratios by length of the context.

#include <string>

#include "results/query/query.hpp"

namespace kvstone {

/// Where workload roundtrip of a campaign has three lengths or more: a row for each codec and source (and batch and
/// backend) with two of them, by codec. Its columns: codec, source, ratio_vs_fp16 of K and V together (or the higher of
/// the two) at each length, and how much larger it is at the longest than at the shortest. Of more than 8 lengths 8 are
/// shown, the shortest and the longest among them.
QueryResult length_rows(Store const& store, std::string const& campaign);

}  // namespace kvstone
