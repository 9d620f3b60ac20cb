#pragma once
// Version 10: each cell's outcome as a stored row, and samples eight to a row.

#include <string>
#include <string_view>

namespace kvstone {

/// The SQL of migration 10.
std::string_view summary_tables();

/// A statement that finds the rows of table `outcome` anew, from the tables `expected` and `attempt`, for the rows `e` of
/// `expected` that meet a condition.
std::string outcomes_sql(std::string_view condition);

/// Samples in a row of `sample_block`.
inline constexpr int samples_a_block = 8;

}  // namespace kvstone
