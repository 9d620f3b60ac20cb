#include "results/statistics/distributions.hpp"

#include <algorithm>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

namespace kvstone {
namespace {

using Binomial = boost::math::binomial_distribution<double>;
using Normal = boost::math::normal_distribution<double>;

}  // namespace

double binomial_at_most(std::uint64_t successes, std::uint64_t trials, double share) {
    if (successes >= trials) return 1;
    return cdf(Binomial(static_cast<double>(trials), share), static_cast<double>(successes));
}

std::uint64_t binomial_rank(std::uint64_t trials, double tail) {
    // P(fewer than k) grows with k, and is at least a half beyond the middle.
    std::uint64_t low = 0, high = trials / 2 + 1;
    while (high - low > 1) {
        auto const middle = low + (high - low) / 2;
        (binomial_at_most(middle - 1, trials, 0.5) <= tail ? low : high) = middle;
    }
    return low;
}

double share_at_most(std::uint64_t successes, std::uint64_t trials, double tail) {
    if (successes >= trials) return 1;
    return Binomial::find_upper_bound_on_p(static_cast<double>(trials), static_cast<double>(successes), tail);
}

double sign_test_p(std::uint64_t one, std::uint64_t other) {
    return std::min(1.0, 2 * binomial_at_most(std::min(one, other), one + other, 0.5));
}

double normal_above(double z) { return cdf(complement(Normal(), z)); }

double normal_quantile_above(double tail) { return quantile(complement(Normal(), tail)); }

}  // namespace kvstone
