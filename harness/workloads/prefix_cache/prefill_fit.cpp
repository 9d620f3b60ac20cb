#include "harness/workloads/prefix_cache/prefill_fit.hpp"

#include <algorithm>
#include <cmath>

#include "results/statistics/median.hpp"

namespace kvstone {

PrefillFit fit_prefill(std::vector<std::pair<double, double>> const& measured) {
    // Of x = n / t and y = n^2 / t, whose combination a x + b y is to be 1.
    double xx = 0, xy = 0, yy = 0, x1 = 0, y1 = 0;
    for (auto const& [tokens, seconds] : measured) {
        auto const x = tokens / seconds;
        auto const y = tokens * x;
        xx += x * x;
        xy += x * y;
        yy += y * y;
        x1 += x;
        y1 += y;
    }
    auto const determinant = xx * yy - xy * xy;
    double a = (x1 * yy - y1 * xy) / determinant;
    double b = (y1 * xx - x1 * xy) / determinant;
    if (!(b >= 0)) {  // noise: longer texts took less a token
        a = x1 / xx;
        b = 0;
    } else if (a < 0) {
        a = 0;
        b = y1 / yy;
    }
    PrefillFit fit{1e6 * a, 1e9 * b, 0};
    for (auto const& [tokens, seconds] : measured)
        fit.largest_error_percent =
            std::max(fit.largest_error_percent, 100 * std::fabs((a + b * tokens) * tokens / seconds - 1));
    return fit;
}

PrefillFit measure_prefill(BlockSource& source, Measure const& measure) {
    constexpr std::uint64_t lengths = 4;
    auto const repetitions = std::max(measure.repetitions, 3);
    source.compute_s(std::max<std::uint64_t>(source.longest_tokens() / lengths, 1));  // warms up
    std::vector<std::pair<double, double>> measured;
    for (std::uint64_t i = 1; i <= lengths; ++i) {
        auto const tokens = std::max(source.longest_tokens() * i / lengths, i);
        std::vector<double> samples;
        for (int pass = 0; pass < repetitions; ++pass) samples.push_back(source.compute_s(tokens));
        measured.emplace_back(static_cast<double>(tokens), median(std::move(samples)));
    }
    return fit_prefill(measured);
}

}  // namespace kvstone
