#pragma once
// The sample of a cache's queries that is measured: all of them would cost as much as the model's own attention.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// The part of the context: its second half (queries that see many tokens), all of it, or the last tokens alone (as in
/// decoding).
enum class QuerySpread : std::uint8_t { half, all, last };
std::vector<std::string> const& query_spreads();
/// Throws ConfigError where no spread has that name.
QuerySpread query_spread_named(std::string_view name);

struct QuerySample {
    std::uint64_t queries = 0;  ///< 0: every token
    QuerySpread spread = QuerySpread::half;

    /// Tokens in rising order, evenly spaced, with the context's last token among them: as many as asked for, or as
    /// there are.
    std::vector<std::uint64_t> positions(std::uint64_t tokens) const;
};

}  // namespace kvstone
