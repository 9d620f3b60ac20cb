// The error of integers as a low-rank part: against Eigen in double precision, and against theory.

#include <Eigen/Dense>
#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backends/philox.hpp"
#include "codecs/container/error_bounds.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

Eigen::MatrixXd matrix(std::vector<float> const& values, std::size_t tokens, std::size_t dim) {
    Eigen::MatrixXd all(static_cast<Eigen::Index>(tokens), static_cast<Eigen::Index>(dim));
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t c = 0; c < dim; ++c)
            all(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(c)) = values[t * dim + c];
    return all;
}

/// The error of `text` in one head's values.
Eigen::MatrixXd lacking(std::string const& text, KvShape const& shape, std::vector<float> const& values) {
    auto const result =
        decoded(encoded(text, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32).values();
    return matrix(values, shape.tokens, shape.dim) - matrix(result, shape.tokens, shape.dim);
}

std::string integers(int bits) { return fmt::format("int:bits={},scheme=asymmetric,axis=token", bits); }
std::string with_rank(int bits, int rank, int rounds = 3) {
    return fmt::format("int_lowrank:bits={},axis=token,rank={},rounds={}", bits, rank, rounds);
}

/// Whole numbers from 0 to 15, both ends in each vector, and beside them three directions of less than half a step.
std::vector<float> on_a_grid(KvShape const& shape) {
    auto const u = normal_values(shape.tokens * 3, 21);
    auto const w = normal_values(shape.dim * 3, 22);
    std::mt19937 random(23);
    std::vector<float> values(shape.values());
    for (std::size_t t = 0; t < shape.tokens; ++t) {
        for (std::size_t c = 0; c < shape.dim; ++c) {
            double part = 0;
            for (std::size_t j = 0; j < 3; ++j) part += std::tanh(u[t * 3 + j]) * std::tanh(w[c * 3 + j]) * .15;
            values[t * shape.dim + c] = c == 0 ? 0.0F : c == 1 ? 15.0F : static_cast<float>(1 + random() % 14 + part);
        }
    }
    return values;
}

// Rounding both factors to binary16 takes at most 2^-10 of each |L_j| |R_j|, whose sum is at most sqrt(r) |E|, L being
// orthonormal; E itself holds the error of rounding values near 16 to f32, 2^-21 each.
TEST(IntLowRank, WhatHasTheRankComesBackButForRounding) {
    KvShape const shape{1, 1, 100, 40};
    auto const values = on_a_grid(shape);
    auto const left = lacking(integers(4), shape, values);
    ASSERT_LT(left.cwiseAbs().maxCoeff(), .5);
    auto const rounding = std::ldexp(std::sqrt(3) * left.norm(), -10) + std::ldexp(std::sqrt(shape.values()), -20);
    EXPECT_LE(lacking(with_rank(4, 3), shape, values).norm(), rounding);
    EXPECT_LE(lacking(with_rank(4, 7), shape, values).norm(), 1.01 * rounding) << "components beyond are nothing";
    EXPECT_GT(lacking(with_rank(4, 2), shape, values).norm(), 20 * rounding);
}

TEST(IntLowRank, IsPowerIterationAsInDoublePrecision) {
    KvShape const shape{1, 1, 200, 24};
    auto const values = normal_values(shape.values(), 3);
    auto const left = lacking(integers(2), shape, values);
    for (int const rounds : {1, 2, 5}) {
        Eigen::MatrixXd right(24, 3);
        for (std::uint32_t c = 0; c < 24; ++c)
            for (std::uint32_t j = 0; j < 3; ++j)
                right(c, j) = (static_cast<double>(philox({c, j, 0, 0}, {0, 0})[0]) + .5) / 4294967296.0;
        auto const q = [](Eigen::MatrixXd const& of) -> Eigen::MatrixXd {
            return Eigen::HouseholderQR<Eigen::MatrixXd>(of).householderQ() *
                   Eigen::MatrixXd::Identity(of.rows(), of.cols());
        };
        Eigen::MatrixXd narrow;
        for (int round = 1; round <= rounds; ++round) {
            if (round == rounds) right = q(right);
            narrow = left * right;
            if (round == rounds) narrow = q(narrow);
            right = left.transpose() * narrow;
        }
        Eigen::MatrixXd const expected = left - narrow * right.transpose();
        // Both factors are rounded to binary16; f32 takes 2^-22 of sums up to 8 four times.
        Eigen::MatrixXd const rounding = std::ldexp(1.0, -10) * narrow.cwiseAbs() * right.cwiseAbs().transpose() +
                                         Eigen::MatrixXd::Constant(200, 24, std::ldexp(1.0, -20));
        auto const ours = lacking(with_rank(2, 3, rounds), shape, values);
        EXPECT_LE(((ours - expected).cwiseAbs() - rounding).maxCoeff(), 0) << rounds;
        EXPECT_GT(((left - expected).cwiseAbs() - rounding).maxCoeff(), .1) << "without it";
    }
}

// The largest singular values of a white residual end at 1 + sqrt(d / T) of the others' root mean square.
TEST(IntLowRank, LittleOfWhiteResidualsIsToBeHad) {
    KvShape const shape{1, 1, 2048, 128};
    auto const values = normal_values(shape.values(), 5);
    auto const left = lacking(integers(2), shape, values);
    auto const gain = [&](int rounds) {
        return 1 - lacking(with_rank(2, 4, rounds), shape, values).squaredNorm() / left.squaredNorm();
    };
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> const solved(left.transpose() * left);
    auto const best = solved.eigenvalues().tail(4).sum() / left.squaredNorm();
    EXPECT_LE(best, 4 * std::pow(1 + std::sqrt(128.0 / 2048), 2) / 128);
    EXPECT_LE(gain(3), best + 1e-6);
    EXPECT_GT(gain(3), 4.0 / 128) << "as much as any four directions have";
    EXPECT_GT(gain(3), gain(1));
    EXPECT_GT(gain(32), .97 * best);
    // The same bits in the quantiser: .53 of them would leave 4^-.53 of the error.
    EXPECT_GT(1 - std::pow(4, -.53), 10 * gain(3));
}

TEST(IntLowRank, HeadsAreCodedByThemselves) {
    KvShape const shape{3, 7, 20, 16};  // more heads than are worked on at a time
    auto const values = test_values(shape);
    for (std::string const text :
         {"int_lowrank:bits=3,axis=token,rank=3", "int_lowrank:bits=2,axis=channel,group=8,rank=5"}) {
        auto const all = planes_of(text, shape, values);
        ASSERT_EQ(all.size(), 5U);
        std::vector<std::vector<std::byte>> joined(all.size());
        for (std::size_t head = 0; head < 21; ++head) {
            auto const first = values.begin() + static_cast<std::ptrdiff_t>(head * 320);
            auto const own = planes_of(text, {1, 1, 20, 16}, {first, first + 320});
            for (std::size_t p = 0; p < own.size(); ++p)
                joined[p].insert(joined[p].end(), own[p].begin(), own[p].end());
        }
        EXPECT_EQ(all, joined) << text;
    }
}

TEST(IntLowRank, ShortAndConstantHeadsHaveFewComponents) {
    // One token has one component, and values that integers code exactly have no error.
    auto const one = planes_of("int_lowrank:bits=2,axis=token,rank=4", {1, 1, 1, 8}, std::vector<float>(8, 3.0F));
    EXPECT_EQ(one.at(3), bytes_of({0, 0}));
    EXPECT_EQ(one.at(4), std::vector<std::byte>(16));
    EXPECT_EQ(planes_of("int_lowrank:bits=2,axis=token,rank=4", {1, 1, 9, 2}, std::vector<float>(18)).at(3).size(),
              2U * 9 * 2);
}

TEST(IntLowRank, WhatIsNotFiniteHasNoPart) {
    KvShape const shape{1, 1, 30, 16};
    auto values = test_values(shape);
    auto const clean = planes_of("int_lowrank:bits=4,axis=token,rank=2", shape, values);
    values[7 * 16 + 3] = NAN;
    values[9 * 16 + 1] = -INFINITY;
    TestTensor const tensor(shape, ElementType::f32, values);
    for (auto const value :
         decoded(encoded("int_lowrank:bits=4,axis=token,rank=2", tensor), shape, ElementType::f32).values())
        EXPECT_TRUE(std::isfinite(value));
    values[7 * 16 + 3] = values[9 * 16 + 1] = 3e38F;
    values[9 * 16 + 2] = -3e38F;
    TestTensor const wide(shape, ElementType::f32, values);
    for (auto const value :
         decoded(encoded("int_lowrank:bits=4,axis=token,rank=2", wide), shape, ElementType::f32).values())
        EXPECT_TRUE(std::isfinite(value));
}

TEST(IntLowRank, BoundsTellWrongFactors) {
    KvShape const shape{1, 2, 60, 32};
    auto const values = test_values(shape);
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const codec = Codec::parse("int_lowrank:bits=2,axis=token,rank=3");
    auto const bounds = declared_error_bounds(codec, Component::k, shape, ElementType::f32, values);
    auto const right = decoded(encoded(codec.text(), tensor), shape, ElementType::f32).values();
    EXPECT_EQ(beyond_bounds(values, right, bounds), "");
    for (std::string const other :
         {"int_lowrank:bits=2,axis=token,rank=2", "int_lowrank:bits=2,axis=token,rank=3,rounds=2",
          "int:bits=2,scheme=asymmetric,axis=token"})
        EXPECT_NE(beyond_bounds(values, decoded(encoded(other, tensor), shape, ElementType::f32).values(), bounds), "")
            << other;
}

}  // namespace
}  // namespace kvstone
