#include "results/statistics/median.hpp"

#include <algorithm>

#include "results/statistics/distributions.hpp"

namespace kvstone {

double median_of_sorted(std::span<double const> sorted) {
    auto const middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return median_of_sorted(values);
}

std::optional<Interval> median_interval_of_sorted(std::span<double const> sorted) {
    auto const rank = binomial_rank(sorted.size(), 0.025);
    if (rank == 0) return std::nullopt;
    return Interval{sorted[rank - 1], sorted[sorted.size() - rank]};
}

std::optional<Interval> median_interval(std::vector<double> values) {
    std::ranges::sort(values);
    return median_interval_of_sorted(values);
}

Estimate median_estimate_of_sorted(std::span<double const> sorted) {
    if (sorted.empty()) return {};
    Estimate result;
    result.value = median_of_sorted(sorted);
    if (auto const interval = median_interval_of_sorted(sorted)) {
        result.low = interval->low;
        result.high = interval->high;
    }
    return result;
}

}  // namespace kvstone
