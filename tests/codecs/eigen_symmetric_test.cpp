// Eigenvalues by hand, and the definition of eigenvectors on a random matrix.

#include "codecs/kernels/eigen_symmetric.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>

namespace kvstone {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

/// Of small matrices of whole numbers.
auto near(double value) { return DoubleNear(value, 1e-14); }

TEST(SymmetricEigen, ByHandLargestFirstWithFixedSigns) {
    // 2 1 / 1 2: 3 along (1, 1), 1 along (1, -1). What lies above the diagonal is not read.
    std::vector<double> matrix{2, 99, 1, 2};
    std::vector<double> values(2), vectors(4);
    symmetric_eigen(2, matrix, values, vectors);
    EXPECT_THAT(values, ElementsAre(near(3), near(1)));
    double const half = std::sqrt(0.5);
    EXPECT_THAT(std::vector(vectors.begin(), vectors.begin() + 2), ElementsAre(near(half), near(half)));
    EXPECT_THAT(std::abs(vectors[2]), near(half));
    EXPECT_THAT(vectors[2] + vectors[3], near(0));
    // -4 along (0, 1, 0), 7 along (0, 0, 1), 2 along (1, 0, 0).
    std::vector<double> diagonal{2, 0, 0, 0, -4, 0, 0, 0, 7};
    std::vector<double> of_diagonal(3), axes(9);
    symmetric_eigen(3, diagonal, of_diagonal, axes);
    EXPECT_THAT(of_diagonal, ElementsAre(7, 2, -4));
    EXPECT_THAT(axes, ElementsAre(0, 0, 1, 1, 0, 0, 0, 1, 0));
    // The largest entry is positive.
    std::vector<double> skewed{1, 0, -2, 4};  // 5 along (-1, 2), 0 along (2, 1)
    symmetric_eigen(2, skewed, values, vectors);
    EXPECT_THAT(values, ElementsAre(near(5), near(0)));
    EXPECT_THAT(vectors,
                ElementsAre(near(-std::sqrt(0.2)), near(std::sqrt(0.8)), near(std::sqrt(0.8)), near(std::sqrt(0.2))));
}

TEST(SymmetricEigen, VectorsAreTurnedByTheMatrixIntoThemselves) {
    constexpr std::size_t n = 96;
    std::mt19937 random(7);
    std::vector<double> matrix(n * n);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            matrix[i * n + j] = matrix[j * n + i] = static_cast<double>(random()) * 0x1p-31 - 1;
            squares += matrix[i * n + j] * matrix[i * n + j] * (i == j ? 1 : 2);
        }
    auto const kept = matrix;
    std::vector<double> values(n), vectors(n * n);
    symmetric_eigen(n, matrix, values, vectors);
    EXPECT_TRUE(std::ranges::is_sorted(values, std::greater()));
    // Backward stable: off by a small multiple of n epsilon |A|, |A| being at most the Frobenius norm.
    double const accepted = 4 * n * 0x1p-52 * std::sqrt(squares);
    for (std::size_t v = 0; v < n; ++v) {
        auto const* const vector = &vectors[v * n];
        for (std::size_t i = 0; i < n; ++i) {
            double product = 0;
            for (std::size_t j = 0; j < n; ++j) product += kept[i * n + j] * vector[j];
            ASSERT_NEAR(product, values[v] * vector[i], accepted) << v;
        }
        for (std::size_t other = 0; other <= v; ++other) {
            double product = 0;
            for (std::size_t j = 0; j < n; ++j) product += vector[j] * vectors[other * n + j];
            ASSERT_NEAR(product, v == other ? 1 : 0, accepted) << v << " " << other;
        }
    }
    matrix = kept;
    std::vector<double> alone(n);
    symmetric_eigen(n, matrix, alone);
    for (std::size_t v = 0; v < n; ++v) EXPECT_NEAR(alone[v], values[v], accepted);
}

TEST(SymmetricEigen, RefusesWhatHasNoEigenvalues) {
    std::vector<double> matrix{1, 0, std::numeric_limits<double>::quiet_NaN(), 1};
    std::vector<double> values(2), too_few(1);
    EXPECT_THROW(symmetric_eigen(2, matrix, values), std::runtime_error);
    EXPECT_THROW(symmetric_eigen(2, matrix, too_few), std::invalid_argument);
    symmetric_eigen(0, {}, {});
}

}  // namespace
}  // namespace kvstone
