// Principal axes by hand, and the definition of eigenvectors on random rows.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>

#include "codecs/kernels/orthogonal_bases.hpp"

namespace kvstone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

/// Of a few small whole numbers.
auto near(double value) { return DoubleNear(value, 1e-13); }

struct Principal {
    std::vector<double> eigenvalues;
    std::vector<double> axes;
};

/// Rows of n values, one behind the other.
Principal principal_of(std::uint64_t n, std::vector<float> const& rows, double const* mean = nullptr) {
    float const* const run = rows.data();
    RowRuns const all{&run, &n, 1, n, rows.size() / n};
    std::vector<double> work(principal_axes_doubles(n));
    Principal found{std::vector<double>(n), {}};
    double const* axes = nullptr;
    principal_axes(all, mean, work.data(), axes, found.eigenvalues.data());
    found.axes.assign(axes, axes + n * n);
    std::vector<double> alone(n);
    principal_eigenvalues(all, mean, work.data(), alone.data());
    for (std::uint64_t i = 0; i < n; ++i)
        EXPECT_NEAR(alone[i], found.eigenvalues[i], 16 * static_cast<double>(n) * 0x1p-52 * found.eigenvalues.front());
    return found;
}

TEST(PrincipalAxes, ByHandLargestFirstWithFixedSigns) {
    // Mean of x x^T: (4 + 1 4 - 1 / 4 - 1 4 + 1) / 2; 4 along (1, 1), 1 along (1, -1).
    auto const two = principal_of(2, {2, 2, 1, -1});
    EXPECT_THAT(two.eigenvalues, ElementsAre(near(4), near(1)));
    double const half = std::sqrt(0.5);
    EXPECT_THAT(std::vector(two.axes.begin(), two.axes.begin() + 2), ElementsAre(near(half), near(half)));
    EXPECT_THAT(std::abs(two.axes[2]), near(half));
    EXPECT_THAT(two.axes[2] + two.axes[3], near(0));
    // 3 along the last channel, 4/3 along the second, 0 along the first.
    auto const diagonal = principal_of(3, {0, 0, 3, 0, -2, 0, 0, 0, 0});
    EXPECT_THAT(diagonal.eigenvalues, ElementsAre(near(3), near(4.0 / 3), near(0)));
    EXPECT_THAT(diagonal.axes, ElementsAre(0, 0, 1, 0, 1, 0, 1, 0, 0));
    // The largest entry is positive: 5 along (-1, 2), 0 along (2, 1).
    auto const skewed = principal_of(2, {1, -2});
    EXPECT_THAT(skewed.eigenvalues, ElementsAre(near(5), near(0)));
    EXPECT_THAT(skewed.axes,
                ElementsAre(near(-std::sqrt(0.2)), near(std::sqrt(0.8)), near(std::sqrt(0.8)), near(std::sqrt(0.2))));
}

TEST(PrincipalAxes, LeavesOutTheMeanAndRowsThatAreNotFinite) {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    double const mean[] = {10, 20};
    auto const found = principal_of(2, {12, 22, nan, 20, 11, 19}, mean);
    EXPECT_THAT(found.eigenvalues, ElementsAre(near(4), near(1)));
    EXPECT_THAT(principal_of(2, {nan, 1}).eigenvalues, ElementsAre(0, 0));
}

TEST(PrincipalAxes, AreTurnedByTheMeanOfProductsIntoThemselves) {
    constexpr std::size_t n = 96;
    constexpr std::size_t rows = 230;
    std::mt19937 random(7);
    std::vector<float> values(rows * n);
    for (auto& value : values) value = static_cast<float>(random() >> 8) * 0x1p-23F - 1;
    std::vector<double> moments(n * n);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t t = 0; t < rows; ++t)
                moments[i * n + j] += static_cast<double>(values[t * n + i]) * static_cast<double>(values[t * n + j]);
            moments[i * n + j] /= rows;
            squares += moments[i * n + j] * moments[i * n + j];
        }
    auto const found = principal_of(n, values);
    EXPECT_TRUE(std::ranges::is_sorted(found.eigenvalues, std::greater()));
    // Backward stable: off by a small multiple of n epsilon |A|, |A| being at most the Frobenius norm; so are the sums.
    double const accepted = 8 * n * 0x1p-52 * std::sqrt(squares);
    for (std::size_t v = 0; v < n; ++v) {
        auto const* const axis = &found.axes[v * n];
        for (std::size_t i = 0; i < n; ++i) {
            double product = 0;
            for (std::size_t j = 0; j < n; ++j) product += moments[i * n + j] * axis[j];
            ASSERT_NEAR(product, found.eigenvalues[v] * axis[i], accepted) << v;
        }
        for (std::size_t other = 0; other <= v; ++other) {
            double product = 0;
            for (std::size_t j = 0; j < n; ++j) product += axis[j] * found.axes[other * n + j];
            ASSERT_NEAR(product, v == other ? 1 : 0, 8 * n * 0x1p-52) << v << " " << other;
        }
    }
}

}  // namespace
}  // namespace kvstone
