#include "results/statistics/median.hpp"

#include <algorithm>

namespace kvstone {

double median_of_sorted(std::span<double const> sorted) {
    auto const middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return median_of_sorted(values);
}

}  // namespace kvstone
