#include "codecs/kernels/lloyd_max.hpp"

#include <array>
#include <cmath>
#include <mutex>
#include <numbers>

#include "backends/portable_math.hpp"

namespace kvstone {
namespace {

double density(double x) { return portable::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }
double above(double x) { return std::erfc(x / std::numbers::sqrt2) / 2; }

/// The x that `share` of N(0,1) lies above, share <= 0.5.
double quantile_above(double share) {
    double low = 0;
    double high = 40;
    for (int i = 0; i < 64; ++i) {
        auto const middle = (low + high) / 2;
        (above(middle) > share ? low : high) = middle;
    }
    return low;
}

std::vector<float> found_levels(unsigned bits) {
    // By symmetry the positive half: cell k reaches from t_k to t_(k+1), t_0 = 0 and the last end infinite.
    std::size_t const half = std::size_t{1} << (bits - 1);
    std::vector<double> level(half);
    // The start is the optimum of small cells: their density follows the cube root of the values'.
    for (std::size_t k = 0; k < half; ++k) {
        auto const share = (static_cast<double>(half - k) - 0.5) / static_cast<double>(2 * half);
        level[k] = std::numbers::sqrt3 * quantile_above(share);
    }
    // Newton's method for level_k = mean of cell k, a tridiagonal system: a cell's ends are midpoints of levels.
    std::vector<double> lower(half);
    std::vector<double> diagonal(half);
    std::vector<double> upper(half);
    std::vector<double> residual(half);
    for (int step = 0; step < 100; ++step) {
        for (std::size_t k = 0; k < half; ++k) {
            bool const first = k == 0;
            bool const last = k + 1 == half;
            auto const begin = first ? 0 : (level[k - 1] + level[k]) / 2;
            auto const end = last ? 0 : (level[k] + level[k + 1]) / 2;
            auto const at_begin = density(begin);
            auto const at_end = last ? 0 : density(end);
            auto const mass = above(begin) - (last ? 0 : above(end));
            auto const mean = (at_begin - at_end) / mass;
            // Half of how the mean moves with each end: an end moves by half of what a level does.
            lower[k] = first ? 0 : -at_begin * (mean - begin) / mass / 2;
            upper[k] = last ? 0 : -at_end * (end - mean) / mass / 2;
            diagonal[k] = 1 + lower[k] + upper[k];
            residual[k] = mean - level[k];
        }
        for (std::size_t k = 1; k < half; ++k) {
            auto const factor = lower[k] / diagonal[k - 1];
            diagonal[k] -= factor * upper[k - 1];
            residual[k] -= factor * residual[k - 1];
        }
        double largest = 0;
        double change = 0;
        for (std::size_t k = half; k-- > 0;) {
            change = (residual[k] - (k + 1 == half ? 0 : upper[k] * change)) / diagonal[k];
            level[k] += change;
            largest = std::fmax(largest, std::fabs(change));
        }
        if (largest < 1e-13) break;
    }
    std::vector<float> levels(2 * half);
    for (std::size_t k = 0; k < half; ++k) {
        auto const rounded = static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(level[k], 20)), -20));
        levels[half + k] = rounded;
        levels[half - 1 - k] = -rounded;
    }
    return levels;
}

}  // namespace

std::vector<float> const& lloyd_max_levels(unsigned bits) {
    static std::array<std::vector<float>, 9> levels;
    static std::array<std::once_flag, 9> found;
    std::call_once(found.at(bits), [bits] { levels[bits] = found_levels(bits); });
    return levels[bits];
}

}  // namespace kvstone
