#include "results/statistics/bootstrap.hpp"

#include <algorithm>
#include <vector>

namespace kvstone {

Interval bootstrap_interval(std::function<double(std::mt19937_64& random)> const& again) {
    constexpr int resamples = 1000;
    std::mt19937_64 random(20240229);
    std::vector<double> values;
    for (int i = 0; i < resamples; ++i) values.push_back(again(random));
    std::ranges::sort(values);
    auto const at = [&](double share) { return values[static_cast<std::size_t>(share * (resamples - 1))]; };
    return {at(0.025), at(0.975)};
}

}  // namespace kvstone
