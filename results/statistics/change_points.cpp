#include "results/statistics/change_points.hpp"

#include <algorithm>
#include <cmath>

#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr std::size_t least_before = 8;
constexpr std::size_t most_before = 12;
constexpr std::size_t nights_beyond = 3;
constexpr double deviations = 4;
constexpr double least_spread = 0.002;  // of the level: figures are told with three digits

/// Whether the nights that begin at `first` all lie beyond those of [start, first), on one side.
bool moved(std::span<double const> series, std::size_t start, std::size_t first) {
    start = std::max(start, first > most_before ? first - most_before : 0);
    std::vector<double> values(series.begin() + static_cast<std::ptrdiff_t>(start),
                               series.begin() + static_cast<std::ptrdiff_t>(first));
    double const level = median(values);
    for (auto& value : values) value = std::abs(value - level);
    double const bound = deviations * std::max(1.4826 * median(values), least_spread * std::abs(level));
    auto const next = series.subspan(first, nights_beyond);
    return std::ranges::all_of(next, [&](double value) { return value > level + bound; }) ||
           std::ranges::all_of(next, [&](double value) { return value < level - bound; });
}

}  // namespace

std::vector<std::size_t> change_points(std::span<double const> series, bool deterministic) {
    std::vector<std::size_t> moves;
    if (deterministic) {
        for (std::size_t i = 1; i < series.size(); ++i)
            if (series[i] != series[i - 1]) moves.push_back(i);
        return moves;
    }
    std::size_t start = 0;
    for (std::size_t i = least_before; i + nights_beyond <= series.size(); ++i) {
        if (i - start < least_before || !moved(series, start, i)) continue;
        moves.push_back(i);
        start = i;
    }
    return moves;
}

}  // namespace kvstone
