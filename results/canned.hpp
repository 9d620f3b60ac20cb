#pragma once
// Questions that come up often, asked by @NAME.

#include <span>
#include <string_view>

namespace kvstone {

struct CannedQuery {
    std::string_view name;        ///< without @
    std::string_view parameters;  ///< words to write after the name, bound as ?1, ?2...; empty: none
    std::string_view description;
    std::string_view sql;
};

std::span<CannedQuery const> canned_queries();

}  // namespace kvstone
