#pragma once
// Questions that come up often, asked by @NAME.

#include <span>
#include <string_view>

namespace kvstone {

struct CannedQuery {
    std::string_view name;        ///< without @
    std::string_view parameters;  ///< words to write after the name, each bound as ":word"; empty: none
    std::string_view description;
    /// Its parameter ":newest" is the campaign that is asked for, else the newest; ":campaign" is the one that is asked
    /// for, else null, which stands for all.
    std::string_view sql;
};

std::span<CannedQuery const> canned_queries();

}  // namespace kvstone
