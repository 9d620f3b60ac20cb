#pragma once
// Version 12: samples five to a row, and the names of their series stored once.

#include <string>
#include <string_view>

namespace kvstone {

/// Samples in a row of `sample_block`; until version 11 a row had `samples_a_block`.
inline constexpr int samples_a_row = 5;

/// The SQL of migration 12.
std::string_view sample_tables();

/// For a connection that only reads a file of an older version: the views `sample` and `sample_count` over its tables.
std::string samples_as_of(int version);

}  // namespace kvstone
