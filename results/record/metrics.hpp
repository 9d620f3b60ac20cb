#pragma once
// Every metric that KVstone may store, with its unit, direction and formula; no other file has them.

#include <cstdint>
#include <span>
#include <string_view>

namespace kvstone {

enum class Better { lower, higher, neither };
std::string_view name_of(Better better);

/// How the figure of component "kv" is made from those of K and V.
enum class Both : std::uint8_t {
    sum,        ///< K's and V's, added
    from_sums,  ///< the formula over the sums of K's and V's bytes, values and times
    pooled,     ///< the formula over all values of K and V as one tensor; it hides which of them is worse
    together,   ///< K and V are measured together
    none,       ///< there are figures of K and of V only
};
/// The same in words.
std::string_view how_made(Both both);

struct Metric {
    std::string_view name;
    std::string_view unit;
    Better better;
    bool deterministic;  ///< equal to the last digit across threads, ranks and backends of one type
    std::string_view formula;
    Both both;
};

std::span<Metric const> metrics();
/// Whether it is a time, or computed from one.
bool is_speed(Metric const& metric);
/// Whether an instrument counts it (`measure: {work: callgrind}`).
bool is_work(Metric const& metric);
/// Whether it is computed from energy (`measure: {energy: on}`).
bool is_energy(Metric const& metric);
/// Null where no metric has that name.
Metric const* find_metric(std::string_view name);

}  // namespace kvstone
