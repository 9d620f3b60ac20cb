#include "results/statistics/paired_accuracy.hpp"

#include <algorithm>
#include <cmath>

#include "results/statistics/distributions.hpp"

namespace kvstone {
namespace {

/// Tango's score statistic of "won share - lost share = difference".
double score(PairedItems const& items, double difference) {
    auto const n = static_cast<double>(items.items);
    auto const won = static_cast<double>(items.won);
    auto const lost = static_cast<double>(items.lost);
    // The share of lost items that is most likely where the difference is this one: a root of a p^2 + b p + c.
    double const a = 2 * n;
    double const b = -won - lost + (2 * n - won + lost) * difference;
    double const c = -lost * difference * (1 - difference);
    double const lost_share = (std::sqrt(std::max(0.0, b * b - 4 * a * c)) - b) / (2 * a);
    double const variance = n * (2 * lost_share + difference * (1 - difference));
    double const distance = won - lost - n * difference;
    if (variance <= 0) return distance == 0 ? 0 : std::copysign(INFINITY, distance);
    return distance / std::sqrt(variance);
}

/// The difference between `from` and `to` whose score is `wanted`; scores fall as the difference grows.
double difference_of_score(PairedItems const& items, double wanted) {
    double low = -1, high = 1;
    for (int step = 0; step < 60; ++step) {
        double const middle = (low + high) / 2;
        (score(items, middle) > wanted ? low : high) = middle;
    }
    return (low + high) / 2;
}

}  // namespace

double non_inferiority_p(PairedItems const& items, double margin) {
    if (items.items == 0) return 1;
    return normal_above(score(items, -margin));
}

Estimate accuracy_change(PairedItems const& items, double confidence) {
    if (items.items == 0) return {};
    auto const n = static_cast<double>(items.items);
    double const z = normal_quantile_above((1 - confidence) / 2);
    return {(static_cast<double>(items.won) - static_cast<double>(items.lost)) / n, difference_of_score(items, z),
            difference_of_score(items, -z)};
}

double detectable_loss(PairedItems const& items) {
    if (items.items == 0) return 1;
    auto const n = static_cast<double>(items.items);
    double const won = (static_cast<double>(items.won) + 1) / n, lost = (static_cast<double>(items.lost) + 1) / n;
    double const variance = std::max(won + lost - (won - lost) * (won - lost), 0.0);
    double const quantiles = normal_quantile_above(0.05) + normal_quantile_above(0.1);
    return std::min(1.0, quantiles * std::sqrt(variance / n));
}

}  // namespace kvstone
