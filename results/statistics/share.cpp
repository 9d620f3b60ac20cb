#include "results/statistics/share.hpp"

#include <cmath>

namespace kvstone {
namespace {

/// P(at most `found` of `trials`) where each is found with probability `share`.
double at_most(std::uint64_t found, std::uint64_t trials, double share) {
    auto const n = static_cast<double>(trials);
    double sum = 0;
    for (std::uint64_t i = 0; i <= found; ++i) {
        auto const k = static_cast<double>(i);
        sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(share) +
                        (n - k) * std::log1p(-share));
    }
    return sum;
}

}  // namespace

double Share::upper_bound() const {
    if (found >= trials) return 1;
    double low = 0, high = 1;
    for (int step = 0; step < 60; ++step) {
        double const middle = (low + high) / 2;
        (at_most(found, trials, middle) > 0.05 ? low : high) = middle;
    }
    return high;
}

double Share::lower_bound() const { return 1 - Share{trials - found, trials}.upper_bound(); }

}  // namespace kvstone
