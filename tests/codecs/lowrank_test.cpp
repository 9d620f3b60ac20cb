// Projections against Eigen in double precision, and stages behind a changed shape.

#include <Eigen/Dense>
#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "codecs/kernels/multiply_rows.hpp"
#include "codecs/kernels/orthogonal_bases.hpp"
#include "codecs/not_applicable.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

/// Values whose channels share factors: eigenvalues fall by about `fall` from one to the next. Mean 3 in channel 0.
std::vector<float> correlated(KvShape const& shape, double fall, unsigned seed = 5) {
    auto const normal = normal_values(shape.values(), seed);
    auto const mixing = normal_values(shape.dim * shape.dim, seed + 1);
    std::vector<float> values(shape.values());
    for (std::size_t v = 0; v < values.size(); v += shape.dim) {
        for (std::size_t i = 0; i < shape.dim; ++i) {
            double sum = i == 0 ? 3 : 0;
            for (std::size_t j = 0; j < shape.dim; ++j)
                sum += mixing[i * shape.dim + j] * std::pow(fall, static_cast<double>(j) / 2) * normal[v + j];
            values[v + i] = static_cast<float>(sum);
        }
    }
    return values;
}

/// Rows [first, first + tokens) of length n, less their mean where `centred`.
Eigen::MatrixXd rows_of(std::vector<float> const& values, std::size_t n, std::size_t tokens, bool centred) {
    Eigen::MatrixXd rows(static_cast<Eigen::Index>(tokens), static_cast<Eigen::Index>(n));
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t c = 0; c < n; ++c)
            rows(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(c)) = values[t * n + c];
    if (centred) rows.rowwise() -= rows.colwise().mean().eval();
    return rows;
}

/// Eigenvalues of the rows' second moment, the smallest first, and its vectors.
Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(Eigen::MatrixXd const& rows) {
    return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(rows.transpose() * rows / static_cast<double>(rows.rows()));
}

Eigen::MatrixXd projector(Eigen::MatrixXd const& axes) { return axes * axes.transpose(); }

Eigen::MatrixXd stored_axes(std::vector<std::byte> const& plane, std::size_t n) {
    auto const* const floats = reinterpret_cast<float const*>(plane.data());
    auto const rank = plane.size() / sizeof(float) / n;
    Eigen::MatrixXd axes(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(rank));
    for (std::size_t j = 0; j < rank; ++j)
        for (std::size_t c = 0; c < n; ++c)
            axes(static_cast<Eigen::Index>(c), static_cast<Eigen::Index>(j)) = floats[j * n + c];
    return axes;
}

TEST(LowRank, SubspacesAreThoseOfEigen) {
    KvShape const shape{1, 1, 300, 32};
    auto const values = correlated(shape, 0.7);
    for (bool const centred : {false, true}) {
        for (Eigen::Index const rank : {1, 8, 24}) {
            auto const text = "lowrank:basis=prompt,stored=fp32,rank=" + std::to_string(rank) +
                              (centred ? ",mean=yes | raw" : " | raw");
            auto const ours = projector(stored_axes(planes_of(text, shape, values).at(0), shape.dim));
            auto const theirs = [&](std::size_t tokens) {
                return projector(solved(rows_of(values, shape.dim, tokens, centred)).eigenvectors().rightCols(rank));
            };
            // Axes are rounded to f32: each by 2^-24 of its norm at the most, twice in a projector.
            auto const rounding = std::ldexp(std::sqrt(static_cast<double>(rank)), -23);
            EXPECT_LE((ours - theirs(300)).norm(), rounding) << rank;
            EXPECT_GT((ours - theirs(299)).norm(), rounding) << "a token left out";
            EXPECT_GT(
                (ours - projector(solved(rows_of(values, shape.dim, 300, !centred)).eigenvectors().rightCols(rank)))
                    .norm(),
                rounding)
                << "the mean";
        }
    }
}

TEST(LowRank, LosesTheEigenvaluesThatItLeavesOut) {
    KvShape const shape{1, 1, 500, 64};
    auto const values = correlated(shape, 0.9);
    auto const rows = rows_of(values, shape.dim, shape.tokens, false);
    auto const lambda = solved(rows).eigenvalues();
    for (Eigen::Index const rank : {16, 48}) {
        auto const text = "lowrank:basis=prompt,stored=fp32,rank=" + std::to_string(rank) + " | raw";
        auto const result =
            decoded(encoded(text, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32).values();
        auto const lost = relative_energy(values, result);
        auto const left_out = lambda.head(64 - rank).sum() / lambda.sum();
        // To first order nothing of a small turn of the axes; of f32 sums over 64 channels less than 2^-17 of a value.
        EXPECT_NEAR(lost, left_out, std::ldexp(std::sqrt(left_out), -16));
        EXPECT_GT(std::fabs(lost - lambda.head(63 - rank).sum() / lambda.sum()), std::ldexp(std::sqrt(left_out), -16));
    }
}

TEST(LowRank, RandomAxesKeepTheirShareOfTheEnergy) {
    KvShape const shape{1, 8, 512, 128};
    auto const values = normal_values(shape.values(), 9);
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const kept = [&](std::string const& text) {
        return 1 - relative_energy(values, decoded(encoded(text, tensor), shape, ElementType::f32).values());
    };
    for (double const rank : {96, 112, 120}) {
        // Of 4096 vectors of N(0,1) the share is r/n on average, within sqrt(2 r/n (1 - r/n) / (4096 n)) of it: six of these.
        auto const share = rank / 128;
        auto const within = 6 * std::sqrt(2 * share * (1 - share) / (4096 * 128));
        auto const text = fmt::format("lowrank:basis=random,rank={}", rank);
        EXPECT_NEAR(kept(text + " | raw"), share, within);
        EXPECT_NEAR(kept(text + ",seed=1 | raw"), share, within);
        EXPECT_GT(std::fabs(kept(fmt::format("lowrank:basis=random,rank={} | raw", rank - 1)) - share), within);
    }
    EXPECT_NE(transformed("lowrank:basis=random,rank=1", {1, 1, 1, 8}, std::vector<float>(8, 1)),
              transformed("lowrank:basis=random,rank=1,seed=1", {1, 1, 1, 8}, std::vector<float>(8, 1)));
}

TEST(LowRank, RandomBasesAreOrthonormal) {
    std::vector<double> basis(64 * 24);
    random_basis(7, 64, 24, basis.data());
    Eigen::Map<Eigen::MatrixXd const> const axes(basis.data(), 64, 24);
    // A product of Householder reflections: some 64 roundings in double a value.
    EXPECT_LE((axes.transpose() * axes - Eigen::MatrixXd::Identity(24, 24)).norm(), std::ldexp(1.0, -44));
    // Q of a matrix with R's diagonal positive: the first column of A is a positive multiple of the first axis.
    std::vector<double> first(64);
    random_basis(7, 64, 1, first.data());
    for (int i = 0; i < 64; ++i)
        EXPECT_NEAR(basis[static_cast<std::size_t>(i)], first[static_cast<std::size_t>(i)], 1e-14);
}

TEST(LowRank, MergedHeadsAreOneLongVector) {
    KvShape const shape{2, 3, 40, 16};
    auto const values = test_values(shape);
    KvShape const merged{2, 1, 40, 48};
    std::vector<float> beside(values.size());
    for (std::size_t l = 0; l < 2; ++l)
        for (std::size_t h = 0; h < 3; ++h)
            for (std::size_t t = 0; t < 40; ++t)
                for (std::size_t c = 0; c < 16; ++c)
                    beside[(l * 40 + t) * 48 + h * 16 + c] = values[((l * 3 + h) * 40 + t) * 16 + c];
    for (std::string const options : {"basis=prompt,mean=yes", "basis=random"}) {
        auto const ours = planes_of("lowrank:rank=20,over=heads," + options + " | raw", shape, values);
        auto const theirs = planes_of("lowrank:rank=20," + options + " | raw", merged, beside);
        EXPECT_EQ(ours, theirs) << options;
    }
    // Groups of two heads are those of tensors of two.
    KvShape const four{2, 4, 40, 16};
    auto const of_four = test_values(four, 9);
    auto const grouped = planes_of("lowrank:rank=20,over=heads,heads=2,basis=prompt | raw", four, of_four);
    std::vector<std::vector<std::byte>> joined(2);
    for (std::size_t first = 0; first < of_four.size(); first += 2 * 40 * 16) {
        auto const begin = of_four.begin() + static_cast<std::ptrdiff_t>(first);
        auto const own =
            planes_of("lowrank:rank=20,over=heads,basis=prompt | raw", {1, 2, 40, 16}, {begin, begin + 2 * 40 * 16});
        for (std::size_t p = 0; p < 2; ++p) joined[p].insert(joined[p].end(), own[p].begin(), own[p].end());
    }
    EXPECT_EQ(grouped, joined);
    EXPECT_EQ(planes_of("lowrank:rank=20,over=heads,heads=8,basis=prompt | raw", four, of_four),
              planes_of("lowrank:rank=20,over=heads,basis=prompt | raw", four, of_four));
    // Two layers of three heads: the last group of three layers is one layer alone.
    KvShape const three{3, 2, 20, 8};
    auto const planes =
        planes_of("lowrank:rank=30,over=layers,layers=2,basis=prompt,stored=fp32 | raw", three, test_values(three));
    EXPECT_EQ(planes.at(0).size(), (30 * 32 + 16 * 16) * sizeof(float));
    EXPECT_EQ(planes.at(1).size(), 2 * 20 * 30 * sizeof(float));
    auto const* const coefficients = reinterpret_cast<float const*>(planes.at(1).data());
    for (std::size_t t = 0; t < 20; ++t)
        for (std::size_t c = 16; c < 30; ++c) EXPECT_EQ(coefficients[(20 + t) * 30 + c], 0);
}

TEST(LowRank, StagesBehindMeetTheCoefficients) {
    KvShape const shape{2, 3, 50, 128};
    TensorCodec const codec(Codec::parse("lowrank:rank=96,basis=random | int:bits=8,axis=token"), Component::k, shape,
                            ElementType::f16, BackendKind::openmp);
    EXPECT_EQ(codec.nominal_bits_per_value(), 8.0 * 96 / 128);
    auto const planned = codec.planned().ledger;
    EXPECT_EQ(planned[LedgerLine::payload], 2U * 3 * 50 * 96);
    EXPECT_EQ(planned[LedgerLine::scales], 2U * 3 * 50 * 2);
    // Two changes of shape, a rotation between them, one behind, and conversions around.
    auto const values = test_values(shape);
    for (std::string const text :
         {"lowrank:rank=0.75,basis=random | hadamard | lowrank:rank=0.9,basis=prompt,over=heads | fp16",
          "center | lowrank:rank=96,basis=random | center | int:bits=8,axis=channel,group=16 | zstd",
          "lowrank:rank=0.5,basis=prompt,over=layers,layers=2 | lowrank:rank=0.5,basis=random | raw",
          "layers(0){lowrank:rank=100,basis=random | fp16} sink(4){raw} rest{lowrank:rank=90,basis=prompt | fp16}"}) {
        for (auto const type : {ElementType::f32, ElementType::f16}) {
            TestTensor const tensor(shape, type, values, true);
            auto const codec_of = encoded(text, tensor);
            auto const result = decoded(codec_of, shape, type, true);
            auto const original = tensor.values();
            auto const bounds = declared_error_bounds(Codec::parse(text), Component::k, shape, type, original);
            EXPECT_EQ(beyond_bounds(original, result.values(), bounds), "") << text;
            EXPECT_EQ(decode_container(codec_of.seal()), result.packed_bytes()) << text;
        }
    }
}

TEST(LowRank, BoundsTellAWrongBasis) {
    KvShape const shape{1, 2, 40, 64};
    auto const values = test_values(shape);
    TestTensor const tensor(shape, ElementType::f32, values);
    for (std::string const options : {"basis=random", "basis=prompt", "basis=prompt,mean=yes"}) {
        auto const codec = Codec::parse("lowrank:rank=48," + options + " | raw");
        auto const bounds = declared_error_bounds(codec, Component::k, shape, ElementType::f32, values);
        for (auto const& other : {"rank=47," + options, std::string("rank=48,basis=random,seed=1")}) {
            auto const wrong =
                decoded(encoded("lowrank:" + other + " | raw", tensor), shape, ElementType::f32).values();
            EXPECT_NE(beyond_bounds(values, wrong, bounds), "") << options << " by " << other;
        }
        // The kept part, a thousandth too large.
        auto scaled = decoded(encoded(codec.text(), tensor), shape, ElementType::f32).values();
        for (auto& value : scaled) value *= 1.001F;
        EXPECT_NE(beyond_bounds(values, scaled, bounds), "") << options;
    }
}

TEST(LowRank, NanAndInfSpoilTheirVectorAlone) {
    KvShape const shape{1, 1, 30, 16};
    auto values = test_values(shape);
    auto const without = [&] {
        auto rest = values;
        rest.erase(rest.begin() + 7 * 16, rest.begin() + 8 * 16);
        return rest;
    }();
    values[7 * 16 + 3] = NAN;
    auto const text = "lowrank:rank=8,basis=prompt,mean=yes,stored=fp32 | raw";
    auto const planes = planes_of(text, shape, values);
    auto const expected = planes_of(text, {1, 1, 29, 16}, without);
    EXPECT_EQ(planes[0], expected[0]);
    EXPECT_EQ(planes[1], expected[1]);
    auto const result =
        decoded(encoded(text, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32).values();
    for (std::size_t i = 0; i < result.size(); ++i) EXPECT_EQ(std::isnan(result[i]), i / 16 == 7) << i;
    // Nothing but such tokens: any axes will do, and no mean.
    auto const none = planes_of(text, {1, 1, 1, 16}, std::vector<float>(16, INFINITY));
    EXPECT_EQ(none[1], std::vector<std::byte>(16 * sizeof(float)));
}

TEST(LowRank, RefusesWhatDoesNotGoTogether) {
    auto const refusal = [](std::string const& text, KvShape const& shape) -> std::string {
        try {
            TensorCodec const codec(Codec::parse(text), Component::k, shape, ElementType::f32, BackendKind::openmp);
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "";
    };
    KvShape const shape{4, 2, 8, 64};
    EXPECT_EQ(refusal("lowrank:rank=64,basis=random | raw", shape), "");
    EXPECT_THAT(refusal("lowrank:rank=65,basis=random | raw", shape), HasSubstr("rank=0.75"));
    EXPECT_THAT(refusal("lowrank:rank=1.5,basis=random | raw", shape), HasSubstr("whole number"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=random,mean=yes | raw", shape), HasSubstr("center | lowrank"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=random,stored=fp32 | raw", shape), HasSubstr("no axes are stored"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=prompt,seed=1 | raw", shape), HasSubstr("random axes"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=prompt,layers=2 | raw", shape), HasSubstr("over=layers"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=prompt,heads=2 | raw", shape), HasSubstr("over=heads"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=prompt,over=heads,heads=2 | raw", {4, 3, 8, 64}),
                HasSubstr("go into all heads"));
    EXPECT_THAT(refusal("lowrank:rank=4,basis=prompt,over=layers | raw", {4, 32, 8, 64}), HasSubstr("up to 4096"));
    EXPECT_THROW(Codec::parse("lowrank:rank=4,basis=prompt,over=layers | raw").of_layer(0, 4), NotApplicable);
    EXPECT_EQ(text_of(needs_of(Codec::parse("unrope | lowrank:rank=4,basis=prompt,over=layers | raw | zstd"))),
              "needs positions, mixes heads, mixes layers, variable rate");
    EXPECT_EQ(text_of(needs_of(Codec::parse("lowrank:rank=4,basis=prompt | raw"))), "");
}

TEST(MultiplyRows, IsOneChainOfFusedMultiplyAdds) {
    for (std::uint64_t const depth : {1, 7, 128}) {
        for (std::uint64_t const columns : {1, 15, 16, 31, 32, 33, 96, 120}) {
            for (std::uint64_t const rows : {1, 5, 6, 7, 24}) {
                auto const a = normal_values(rows * (depth + 3), 1);
                auto const w = normal_values(depth * columns, 2);
                std::vector<float> packed(packed_matrix_values(depth, columns), NAN);
                for (std::uint64_t k = 0; k < depth; ++k)
                    for (std::uint64_t c = 0; c < columns; ++c)
                        packed[packed_matrix_place(depth, k, c)] = w[k * columns + c];
                auto const start = normal_values(rows * (columns + 1), 3);
                for (bool const add : {false, true}) {
                    auto y = start;
                    // In two steps, as long vectors are.
                    auto const half = depth / 2;
                    multiply_rows(a.data(), depth + 3, rows, {packed.data(), depth, 0, half, columns}, y.data(),
                                  columns + 1, add);
                    multiply_rows(a.data() + half, depth + 3, rows, {packed.data(), depth, half, depth - half, columns},
                                  y.data(), columns + 1, true);
                    for (std::uint64_t r = 0; r < rows; ++r) {
                        for (std::uint64_t c = 0; c < columns; ++c) {
                            float sum = add ? start[r * (columns + 1) + c] : 0;
                            for (std::uint64_t k = 0; k < depth; ++k)
                                sum = std::fma(a[r * (depth + 3) + k], w[k * columns + c], sum);
#if defined(__FMA__) || defined(__aarch64__)
                            ASSERT_EQ(y[r * (columns + 1) + c], sum) << depth << ' ' << columns << ' ' << rows;
#else
                            ASSERT_NEAR(y[r * (columns + 1) + c], sum, 1e-4);
#endif
                        }
                        EXPECT_EQ(y[r * (columns + 1) + columns], start[r * (columns + 1) + columns]);
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace kvstone
