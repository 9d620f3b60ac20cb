#include "harness/workloads/tier/break_even.hpp"

namespace kvstone {

double break_even_bytes_per_s(std::uint64_t raw_bytes, std::uint64_t stored_bytes, double decode_s) {
    return (static_cast<double>(raw_bytes) - static_cast<double>(stored_bytes)) / decode_s;
}

std::optional<double> crossing_bytes_per_s(std::span<FetchPoint const> points) {
    auto const saved_s = [](FetchPoint const& point) { return point.raw_s - point.coded_s; };
    for (std::size_t i = points.size(); i-- > 1;) {
        auto const& slow = points[i - 1];
        auto const& fast = points[i];
        if (saved_s(slow) < 0 || saved_s(fast) >= 0) continue;
        auto const share = saved_s(slow) / (saved_s(slow) - saved_s(fast));
        auto const s_per_byte = 1 / slow.bytes_per_s + share * (1 / fast.bytes_per_s - 1 / slow.bytes_per_s);
        return 1 / s_per_byte;
    }
    return std::nullopt;
}

}  // namespace kvstone
