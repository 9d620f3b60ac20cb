#include "harness/sources/query_sample.hpp"

#include <algorithm>

#include "scenarios/errors.hpp"

namespace kvstone {

std::vector<std::string> const& query_spreads() {
    static std::vector<std::string> const names{"half", "all", "last"};
    return names;
}

QuerySpread query_spread_named(std::string_view name) {
    auto const& names = query_spreads();
    auto const found = std::ranges::find(names, name);
    if (found == names.end()) throw ConfigError("unknown spread of queries", std::string(name), names);
    return static_cast<QuerySpread>(found - names.begin());
}

std::vector<std::uint64_t> QuerySample::positions(std::uint64_t tokens) const {
    auto pool = spread == QuerySpread::half ? tokens - tokens / 2 : tokens;
    auto const count = queries == 0 ? tokens : std::min(queries, pool);
    if (queries == 0 || spread == QuerySpread::last) pool = count;
    std::vector<std::uint64_t> all;
    for (std::uint64_t left = count; left > 0; --left) all.push_back(tokens - 1 - (left - 1) * pool / count);
    return all;
}

}  // namespace kvstone
