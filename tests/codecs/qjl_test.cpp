// qjl: the matrix that decoding shows is what the option says, encoding takes signs of its products, and scores have no
// bias.

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "codecs/not_applicable.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t dim = 32;

/// The decoded values of a payload over a norm of 1.
std::vector<double> decoded_signs(std::string const& text, std::vector<std::byte> const& signs) {
    std::vector<float> values(dim, 0.0F);
    values[0] = 1;
    auto container = encoded(text, TestTensor({1, 1, 1, dim}, ElementType::f32, values)).seal();
    auto const payload = read_container(container).planes.at(0);
    std::memcpy(container.data() + (payload.data - container.data()), signs.data(), signs.size());
    reseal_container(container);
    auto const bytes = decode_container(container);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return {values.begin(), values.end()};
}

/// The rows of S: decoded values are linear in the signs, so that one sign changed shows twice its row.
std::vector<std::vector<double>> rows_of(std::string const& text, std::size_t count) {
    std::vector<std::byte> signs(count / 8, std::byte{0xff});
    auto const all = decoded_signs(text, signs);
    std::vector<std::vector<double>> rows;
    for (std::size_t r = 0; r < count; ++r) {
        signs[r / 8] ^= std::byte{1} << r % 8;
        auto row = decoded_signs(text, signs);
        signs[r / 8] ^= std::byte{1} << r % 8;
        for (std::size_t i = 0; i < dim; ++i) {
            row[i] = (all[i] - row[i]) / 2 * static_cast<double>(count) / std::sqrt(M_PI / 2);
        }
        rows.push_back(row);
    }
    return rows;
}

double product(std::vector<double> const& left, std::vector<double> const& right) {
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) sum += left[i] * right[i];
    return sum;
}

// The rounding of decoding is 2^-22 of sums below 64.
TEST(Qjl, RowsAreOrthogonalOrIndependent) {
    auto const orthogonal = rows_of("qjl:sketch=2,matrix=orthogonal", 2 * dim);
    auto const gaussian = rows_of("qjl:sketch=2", 2 * dim);
    double fourth = 0, second = 0, largest_product = 0, between_halves = 0;
    for (std::size_t r = 0; r < 2 * dim; ++r) {
        EXPECT_NEAR(product(orthogonal[r], orthogonal[r]), dim, 0.01);
        for (std::size_t q = 0; q < r; ++q) {
            if (q / dim == r / dim) {
                EXPECT_NEAR(product(orthogonal[q], orthogonal[r]), 0, 0.01);
                largest_product = std::fmax(largest_product, std::fabs(product(gaussian[q], gaussian[r])));
            } else {
                between_halves = std::fmax(between_halves, std::fabs(product(orthogonal[q], orthogonal[r])));
            }
        }
        for (auto const value : gaussian[r]) {
            second += value * value / (2 * dim * dim);
            fourth += std::pow(value, 4) / (2 * dim * dim);
        }
    }
    EXPECT_GT(largest_product, 5) << "independent rows are not orthogonal: sqrt(d) is common";
    EXPECT_GT(between_halves, 5) << "nor is one block to the next";
    // Of 2048 values of N(0,1), five standard errors: sqrt(2 / 2048) and sqrt(96 / 2048).
    EXPECT_NEAR(second, 1, 5 * std::sqrt(2.0 / 2048));
    EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96.0 / 2048));
    EXPECT_NE(rows_of("qjl:sketch=2,seed=1", 2 * dim), gaussian);
}

TEST(Qjl, BitsAreTheSignsOfProducts) {
    for (std::string const text : {"qjl:sketch=2", "qjl:sketch=2,matrix=orthogonal"}) {
        auto const rows = rows_of(text, 2 * dim);
        KvShape const shape{1, 1, 50, dim};
        auto const values = test_values(shape);
        auto const signs = planes_of(text, shape, values).at(0);
        ASSERT_EQ(signs.size(), 50 * 2 * dim / 8);
        for (std::size_t t = 0; t < 50; ++t) {
            std::vector<double> const vector(values.begin() + static_cast<std::ptrdiff_t>(t * dim),
                                             values.begin() + static_cast<std::ptrdiff_t>((t + 1) * dim));
            auto const norm = std::sqrt(product(vector, vector));
            for (std::size_t r = 0; r < 2 * dim; ++r) {
                auto const along = product(rows[r], vector) / norm;
                if (std::fabs(along) < 1e-3) continue;  // within the precision of the rows
                auto const bit = std::to_integer<unsigned>(signs[t * 2 * dim / 8 + r / 8]) >> r % 8 & 1U;
                EXPECT_EQ(bit, along > 0 ? 1U : 0U) << text << " token " << t << " row " << r;
            }
        }
    }
}

/// Over many matrices the mean of decoded values is the vector. Of `seeds` matrices each value has a variance of
/// (pi/2 |x|^2 - x^2) / (m seeds); chi^2 of d values is d + 5 sqrt(2 d) at most.
TEST(Qjl, HasNoBias) {
    constexpr int seeds = 200;
    KvShape const shape{1, 1, 1, dim};
    auto const values = test_values(shape);
    std::vector<double> mean(dim);
    for (int seed = 0; seed < seeds; ++seed) {
        auto const text = "qjl:sketch=1,seed=" + std::to_string(seed);
        TestTensor const tensor(shape, ElementType::f32, values);
        auto const result = decoded(encoded(text, tensor), shape, ElementType::f32).values();
        for (std::size_t i = 0; i < dim; ++i) mean[i] += static_cast<double>(result[i]) / seeds;
    }
    double squares = 0;
    for (auto const value : values) squares += static_cast<double>(value) * value;
    auto const chi_square = [&](double gain) {
        double sum = 0;
        for (std::size_t i = 0; i < dim; ++i) {
            auto const variance = (M_PI / 2 * squares - static_cast<double>(values[i]) * values[i]) / (dim * seeds);
            sum += std::pow(mean[i] * gain - values[i], 2) / variance;
        }
        return sum;
    };
    auto const most = dim + 5 * std::sqrt(2.0 * dim);
    EXPECT_LT(chi_square(1), most);
    EXPECT_GT(chi_square(1.2), most) << "sqrt(pi/2) taken for 1 or pi/2 is a fifth off or more";
    EXPECT_GT(chi_square(0.8), most);
}

TEST(Qjl, RefusesVectorsThatAreTooLong) {
    auto const bind = [](std::string const& text) {
        return TensorCodec(Codec::parse(text), Component::k, {1, 1, 1, 1025}, ElementType::f32, BackendKind::openmp);
    };
    EXPECT_THROW(bind("qjl:sketch=1"), NotApplicable);
    EXPECT_THROW(bind("turboquant_prod:bits=3"), NotApplicable);
}

}  // namespace
}  // namespace kvstone
