#pragma once
// Every metric KVstone may store: the one home of its unit, direction and formula.

#include <span>
#include <string_view>

namespace kvstone {

enum class Better { lower, higher, neither };
std::string_view name_of(Better better);

struct Metric {
    std::string_view name;
    std::string_view unit;
    Better better;
    bool deterministic;  ///< equal to the last digit across threads, ranks and backends of one type
    std::string_view formula;
};

std::span<Metric const> metrics();
/// Null where no metric has that name.
Metric const* find_metric(std::string_view name);

}  // namespace kvstone
