#pragma once
// Frequent questions, asked by @NAME.

#include <span>
#include <string_view>

namespace kvstone {

struct CannedQuery {
    std::string_view name;        ///< without @
    std::string_view parameters;  ///< words after the name, each bound as ":word"; empty: none
    std::string_view description;
    /// Its parameter ":newest" is the campaign that was asked for, else the newest; ":campaign" is the one that was
    /// asked for, else null, which means all.
    std::string_view sql;
};

std::span<CannedQuery const> canned_queries();

}  // namespace kvstone
