#pragma once
// Nights at which a series of figures moved to another level: a hint for people, never a verdict.

#include <cstddef>
#include <span>
#include <vector>

namespace kvstone {

/// Indices of the first nights at a new level. Deterministic figures: every change. Others: three nights in a row that
/// lie more than 4 robust deviations (1.4826 x median absolute deviation, at least 0.2% of the level) to one side of
/// the median of up to 12 nights before, of which there must be 8. Counting restarts at a mark. Values are in time
/// order.
std::vector<std::size_t> change_points(std::span<double const> series, bool deterministic);

/// Share of series of 100 nights at one level (1.2% noise; 1% of nights are spikes of 10%) that get a mark by mistake,
/// as simulated in tests/results/change_points_test.cpp.
inline constexpr double change_point_false_alarms_per_100_nights = 0.022;

}  // namespace kvstone
