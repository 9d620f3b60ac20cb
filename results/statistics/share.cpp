#include "results/statistics/share.hpp"

#include <algorithm>
#include <cmath>

#include "results/statistics/distributions.hpp"

namespace kvstone {

double Share::upper_bound() const { return share_at_most(found, trials, 0.05); }

double Share::lower_bound() const { return 1 - Share{trials - found, trials}.upper_bound(); }

Interval wilson_interval(double share, double count) {
    double const z = normal_quantile_above(0.025), square = z * z;
    auto const middle = (share + square / (2 * count)) / (1 + square / count);
    auto const half = z / (1 + square / count) * std::sqrt(share * (1 - share) / count + square / (4 * count * count));
    return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace kvstone
