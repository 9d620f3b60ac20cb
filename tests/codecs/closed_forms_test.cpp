// Quantisers against mathematics: the error that each leaves on values of N(0,1), and its size to the byte.

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/kernels/gaussian_grids.hpp"
#include "codecs/kernels/lloyd_max.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

/// One codec over [1, 8, 4096, 128] values of N(0,1).
struct ClosedForm {
    std::string codec;
    double nmse;         ///< mean squared error over the variance of the original
    double tolerance;    ///< relative
    double bits;         ///< a value: payload, scales, zeros and codebooks
    double extra_bytes;  ///< bytes once per tensor, beside the bits
    double mutant;       ///< decoded values times this leave an error outside the tolerance
};

void PrintTo(ClosedForm const& row, std::ostream* out) { *out << row.codec; }

std::vector<ClosedForm> closed_forms() {
    return {
        // Lloyd-Max distortions: Max 1960, table I, and integration for the rest.
        {"lloydmax:bits=1,scale=tensor", .36338, .01, 1, 4, 1.1},
        {"lloydmax:bits=2,scale=tensor", .11748, .01, 2, 4, 1.05},
        {"lloydmax:bits=3,scale=tensor", .03455, .01, 3, 4, 1.03},
        {"lloydmax:bits=4,scale=tensor", .00950, .01, 4, 4, 1.02},
        {"lloydmax:bits=5,scale=tensor", .002505, .01, 5, 4, 1.01},
        {"lloydmax:bits=6,scale=tensor", .000644, .01, 6, 4, 1.005},
        {"lloydmax:bits=7,scale=tensor", .000163, .01, 7, 4, 1.002},
        {"lloydmax:bits=8,scale=tensor", .0000412, .01, 8, 4, 1.002},
        // TurboQuant with the vector's norm kept: one f16 a vector of 128.
        {"hadamard | lloydmax:bits=4,norm=matched", .00918, .01, 4 + 16.0 / 128, 0, 1.02},
        // NF4 blocks of 64: f32 scales; 8 bits, and an f32 for each 256 of them.
        {"nf4:scale=fp32", .0085, .02, 4 + 32.0 / 64, 0, 1.03},
        {"nf4", .0085, .02, 4 + 8.0 / 64 + 32.0 / 64 / 256, 0, 1.03},
        // k-means on N(0,1) comes to Lloyd-Max: f16 scale and zero point of the tensor, f32 levels of the layer.
        {"nuq:bits=2", .11748, .01, 2, 4 + 4 * 4, 1.05},
        {"nuq:bits=3", .03455, .01, 3, 4 + 8 * 4, 1.03},
        {"nuq:bits=4", .00950, .01, 4, 4 + 16 * 4, 1.02},
        {"nuq:bits=5", .002505, .01, 5, 4 + 32 * 4, 1.01},
        // KIVI: f16 scale and zero point for each 32 values.
        {"int:bits=2,scheme=asymmetric,axis=token,group=32", .1546, .01, 3, 0, 1.05},
        {"int:bits=2,scheme=asymmetric,axis=channel,group=32", .1546, .01, 3, 0, 1.05},
        {"int:bits=4,scheme=asymmetric,axis=token,group=32", .00611, .01, 5, 0, 1.02},
        {"int:bits=4,scheme=asymmetric,axis=channel,group=32", .00611, .01, 5, 0, 1.02},
        // Best uniform quantisers: ranges that end at the last of the best 4, 8, 16 and 256 even levels for N(0,1). The
        // 400 values beyond the last range make a tenth of its error, and that varies by a tenth.
        {"int:bits=2,scheme=asymmetric,clip=0.8647", .11885, .01, 2, 4, 1.05},
        {"int:bits=3,scheme=asymmetric,clip=0.9597", .03744, .01, 3, 4, 1.03},
        {"int:bits=4,scheme=asymmetric,clip=0.9881", .01154, .01, 4, 4, 1.02},
        {"int:bits=8,scheme=asymmetric,clip=0.9999", .0000877, .02, 8, 4, 1.002},
        {"fp8:format=e4m3", 7.05e-4, .01, 8, 0, 1.01},
        {"fp8:format=e5m2", 2.79e-3, .01, 8, 0, 1.02},
        {"fp8:format=e4m3,scale=tensor", 7.05e-4, .01, 8, 4, 1.01},
        {"fp8:format=e5m2,scale=head", 2.79e-3, .01, 8, 32, 1.02},
        {"q8_0", 2.86e-5, .01, 8.5, 0, 1.002},
        {"q4_0", .00738, .01, 4.5, 0, 1.02},
        {"q4_1", .00612, .01, 5, 0, 1.02},
        {"q5_0", .00182, .01, 5.5, 0, 1.01},
        {"nvfp4", .00905, .01, 4.5, 4, 1.02},
        {"mxfp4", .0132, .01, 4.25, 0, 1.02},
        // Steps of 2 M / 2^b err by M^2 / (3 x 4^b); of the largest of 32 the mean square is 5.71, and it alone errs by
        // half a step, three times as much: 5.71 x 34/32. It comes back smaller: values a little larger would mend that, so
        // mutants are smaller.
        {"exl3:bits=2", .1259, .01, 2.5, 0, .95},
        {"exl3:bits=3", .03155, .01, 3.5, 0, .97},
        {"exl3:bits=4", .00790, .01, 4.5, 0, .98},
        {"exl3:bits=5", .00197, .01, 5.5, 0, .99},
        {"exl3:bits=6", 4.94e-4, .01, 6.5, 0, .995},
        {"exl3:bits=7", 1.23e-4, .01, 7.5, 0, .998},
        {"exl3:bits=8", 3.09e-5, .01, 8.5, 0, .998},
        // S is one draw for all vectors. The mean square of its m d elements varies by sqrt(2 / (m d)), and with it
        // (pi/2) d/m of the error; products of its rows, squared and averaged, make 1 of it, which varies by 2/m.
        // Tolerances are three times both. Orthogonal rows vary in neither; <x, x'> is 1 + 1/(4 d) of |x|^2 there, which
        // takes 1/(4 d) off .2854.
        {"qjl:sketch=1", 1.563, .045, 1 + 16.0 / 128, 0, 1.05},
        {"qjl:sketch=4", .3907, .035, 4 + 16.0 / 128, 0, 1.05},
        {"qjl:sketch=2,matrix=orthogonal", .2834, .005, 2 + 16.0 / 128, 0, 1.05},
        // Distortion of Lloyd-Max with a bit less, times (pi d/2 - 1) / d = 1.5630.
        {"turboquant_prod:bits=2", .36338 * 1.5630, .045, 2 + 32.0 / 128, 0, 1.1},
        {"turboquant_prod:bits=3", .11748 * 1.5630, .045, 3 + 32.0 / 128, 0, 1.1},
        {"turboquant_prod:bits=4", .03455 * 1.5630, .045, 4 + 32.0 / 128, 0, 1.1},
        // k-means in the plane comes near to its best 16 points, or to one of the other rests, which err by up to 1.5%
        // more; 256 values a point take some per mille off.
        {"cq:channels=2,bits=4", .1076, .02, 2 + 16.0 * 16 / 4096, 0, 1.1},
        // The mean square of the largest of 1024 is 11.958, and varies by .3% over 4096 tokens.
        {"cachegen:bins=32", 11.958 / 12 / 225, .01, 8 + 16.0 / 1024, 0, 1.02},
        {"cachegen:bins=16", 11.958 / 12 / 49, .01, 8 + 16.0 / 1024, 0, 1.03},
        // No formula: the error of zfp's own program on N(0,1).
        {"zfp:rate=4", .0855, .02, 4, 0, 1.2},
        {"zfp:rate=8", 3.26e-4, .02, 8, 0, 1.01},
        {"zfp:rate=16", 4.96e-9, .02, 16, 0, 1.0001},
    };
}

constexpr KvShape normal_shape{1, 8, 4096, 128};

TestTensor const& normal_tensor() {
    static TestTensor const tensor(normal_shape, ElementType::f32, normal_values(normal_shape.values()));
    return tensor;
}

/// Mean squared error over the variance, where decoded values are `factor` times as large.
double nmse(std::vector<float> const& original, std::vector<float> const& decoded, double factor = 1) {
    auto const count = static_cast<double>(original.size());
    double sum = 0;
    for (auto const value : original) sum += value;
    double error = 0;
    double variance = 0;
    for (std::size_t i = 0; i < original.size(); ++i) {
        error += std::pow(factor * decoded[i] - original[i], 2);
        variance += std::pow(original[i] - sum / count, 2);
    }
    return error / variance;
}

class ClosedForms : public testing::TestWithParam<ClosedForm> {};

TEST_P(ClosedForms, ErrorAndBytes) {
    auto const& row = GetParam();
    static std::vector<float> const original = normal_tensor().values();
    auto const codec = encoded(row.codec, normal_tensor());
    auto const result = decoded(codec, normal_shape, ElementType::f32).values();
    auto const ours = nmse(original, result);
    RecordProperty("nmse", std::to_string(ours));
    EXPECT_NEAR(ours, row.nmse, row.tolerance * row.nmse);
    EXPECT_GT(std::fabs(nmse(original, result, row.mutant) - row.nmse), row.tolerance * row.nmse)
        << "values " << row.mutant << " times as large";
    auto const ledger = codec.ledger();
    auto const bytes = ledger[LedgerLine::payload] + ledger[LedgerLine::scales] + ledger[LedgerLine::zeros] +
                       ledger[LedgerLine::codebooks] + ledger[LedgerLine::outliers];
    EXPECT_EQ(static_cast<double>(bytes), row.bits * static_cast<double>(normal_shape.values()) / 8 + row.extra_bytes);
}

INSTANTIATE_TEST_SUITE_P(Normal, ClosedForms, testing::ValuesIn(closed_forms()),
                         [](auto const& row) { return test_name_of(row.param.codec); });

/// Decoded values of NF4 in double precision, `scale_of` the largest magnitude of each block of 64.
template <class Scale>
std::vector<float> nf4_reference(std::vector<float> const& values, std::vector<double> const& levels,
                                 Scale const& scale_of) {
    std::vector<float> result(values.size());
    for (std::size_t first = 0; first < values.size(); first += 64) {
        double largest = 0;
        for (std::size_t i = first; i < first + 64; ++i) largest = std::max(largest, std::fabs(double{values[i]}));
        auto const scale = scale_of(largest);
        for (std::size_t i = first; i < first + 64; ++i) {
            double nearest = levels[0];
            for (auto const level : levels) {
                if (std::fabs(level * scale - values[i]) < std::fabs(nearest * scale - values[i])) nearest = level;
            }
            result[i] = static_cast<float>(nearest * scale);
        }
    }
    return result;
}

TEST(Nf4, ErrsAsAReferenceInDoublePrecision) {
    KvShape const shape{1, 1, 2048, 128};
    auto const values = normal_values(shape.values(), 7);
    TestTensor const tensor(shape, ElementType::f32, values);
    std::vector<double> const levels{-1,
                                     -.6961928009986877,
                                     -.5250730514526367,
                                     -.39491748809814453,
                                     -.28444138169288635,
                                     -.18477343022823334,
                                     -.09105003625154495,
                                     0,
                                     .07958029955625534,
                                     .16093020141124725,
                                     .24611230194568634,
                                     .33791524171829224,
                                     .44070982933044434,
                                     .5626170039176941,
                                     .7229568362236023,
                                     1};
    auto const exact = [](double largest) { return largest; };
    auto const log8 = [](double largest) { return std::exp2(std::ceil(8 * std::log2(largest)) / 8); };
    auto const ours = [&](std::string const& text) {
        return nmse(values, decoded(encoded(text, tensor), shape, ElementType::f32).values());
    };
    auto const same = [](double left, double right, double tolerance) {
        return std::fabs(left - right) <= tolerance * right;
    };
    EXPECT_TRUE(same(ours("nf4:scale=fp32"), nmse(values, nf4_reference(values, levels, exact)), 1e-5));
    EXPECT_TRUE(same(ours("nf4:scale=log8"), nmse(values, nf4_reference(values, levels, log8)), 1e-5));
    EXPECT_TRUE(same(ours("nf4"), nmse(values, nf4_reference(values, levels, exact)), 3e-3)) << "8 bits are enough";
    auto moved = levels;
    moved[13] *= 1.05;
    EXPECT_FALSE(same(ours("nf4"), nmse(values, nf4_reference(values, moved, exact)), 3e-3)) << "one level moved";
    EXPECT_FALSE(same(ours("nf4:scale=log8"), nmse(values, nf4_reference(values, levels, exact)), 3e-3));
}

/// The part of the mean squared error that N(0,1) has between two levels' midpoints, summed: numerically, and not by the
/// formulas that made the levels.
double distortion(std::vector<float> const& levels) {
    constexpr int steps = 400000;
    constexpr double end = 10;
    double sum = 0;
    for (int i = 0; i < steps; ++i) {
        auto const x = end * (2 * (i + 0.5) / steps - 1);
        auto const above = std::ranges::lower_bound(levels, x);
        auto error = above == levels.end() ? x - levels.back() : *above - x;
        if (above != levels.begin() && above != levels.end()) error = std::min(error, x - *(above - 1));
        sum += error * error * std::exp(-x * x / 2);
    }
    return sum * (2 * end / steps) / std::sqrt(2 * M_PI);
}

/// Mean squared error of a value where pairs of N(0,1) become the nearest of n points, all x before all y.
double pair_distortion(std::vector<float> const& points) {
    constexpr int steps = 400;
    constexpr double end = 6;
    auto const n = points.size() / 2;
    double sum = 0, mass = 0;
    for (int i = 0; i < steps; ++i) {
        for (int j = 0; j < steps; ++j) {
            auto const x = end * (2 * (i + 0.5) / steps - 1);
            auto const y = end * (2 * (j + 0.5) / steps - 1);
            double least = INFINITY;
            for (std::size_t k = 0; k < n; ++k) {
                least = std::min(least, (x - points[k]) * (x - points[k]) + (y - points[n + k]) * (y - points[n + k]));
            }
            auto const weight = std::exp(-(x * x + y * y) / 2);
            sum += weight * least / 2;
            mass += weight;
        }
    }
    return sum / mass;
}

TEST(Higgs, GridsAreTheBestThatAreKnown) {
    // Published grids: .1086, .0298, .00824.
    std::vector<double> const distortions{.10760, .02961, .00776};
    for (unsigned bits = 2; bits <= 4; ++bits) {
        auto const points = gaussian_grid(2 * bits);
        auto const n = std::size_t{1} << 2 * bits;
        ASSERT_EQ(points.size(), 2 * n);
        auto const ours = pair_distortion(points);
        auto const table = distortions[bits - 2];
        EXPECT_NEAR(ours, table, 0.002 * table) << bits;
        // The best that a scalar quantiser has is worse; many hexagons cannot be much better.
        EXPECT_LT(ours, (std::vector<double>{.11748, .03455, .00950})[bits - 2]);
        EXPECT_GT(ours, 0.8 * 8 * M_PI * 0.0801875 / static_cast<double>(n));
        // Every point is the mean of the values nearest to it: moved either way, the error grows.
        for (auto const k : {n / 2, n + n / 2}) {
            for (float const by : {-0.05F, 0.05F}) {
                auto moved = points;
                moved[k] += by;
                EXPECT_GT(pair_distortion(moved), ours) << bits << " bits, coordinate " << k;
            }
        }
        auto shrunk = points;
        for (auto& value : shrunk) value *= 0.95F;
        EXPECT_GT(pair_distortion(shrunk), 1.004 * table) << "the tolerance of what follows tells them apart";
    }
}

/// In long vectors, whose values over the norm are close to normal: of 4096 values they err by 1/4096 less than that.
TEST(Higgs, ErrsAsItsGridDoes) {
    KvShape const shape{1, 1, 1024, 4096};
    auto const values = normal_values(shape.values(), 6);
    TestTensor const tensor(shape, ElementType::f32, values);
    std::vector<double> const distortions{.10760, .02961, .00776};
    for (unsigned bits = 2; bits <= 4; ++bits) {
        auto const codec = encoded("higgs:bits=" + std::to_string(bits), tensor);
        auto const table = distortions[bits - 2];
        auto const ours = nmse(values, decoded(codec, shape, ElementType::f32).values());
        EXPECT_NEAR(ours, table, 0.004 * table) << bits;
        EXPECT_EQ(codec.ledger()[LedgerLine::payload], shape.values() * bits / 8);
        EXPECT_EQ(codec.ledger()[LedgerLine::scales], 2 * shape.vectors());
    }
}

TEST(Lloydmax, LevelsAreThoseOfMax) {
    std::vector<std::vector<double>> const published{
        {.4528, 1.5104},
        {.2451, .7560, 1.3439, 2.1519},
        {.1284, .3880, .6568, .9423, 1.2562, 1.6180, 2.0690, 2.7326},
    };
    for (auto const& half : published) {
        auto const bits = static_cast<unsigned>(std::bit_width(half.size()));
        auto const& levels = lloyd_max_levels(bits);
        ASSERT_EQ(levels.size(), 2 * half.size());
        for (std::size_t k = 0; k < half.size(); ++k) {
            // Max rounded some last digits down.
            EXPECT_NEAR(levels[half.size() + k], half[k], 1e-4) << bits << " bits, level " << k;
            EXPECT_EQ(levels[half.size() + k], -levels[half.size() - 1 - k]);
        }
    }
}

TEST(Lloydmax, DistortionIsTheLeastAndWithinItsBounds) {
    std::vector<double> const table{.36338, .11748, .03455, .00950, .002505, .000644, .000163, .0000412};
    for (unsigned bits = 1; bits <= 8; ++bits) {
        auto levels = lloyd_max_levels(bits);
        auto const ours = distortion(levels);
        auto const unit = std::ldexp(1.0, -2 * static_cast<int>(bits));
        EXPECT_NEAR(ours, table[bits - 1], 0.005 * table[bits - 1]) << bits;
        EXPECT_GE(ours, unit);
        EXPECT_LE(ours, 2.7207 * unit);
        // Moving any level by more than a rounding is worse.
        for (auto const moved : {std::size_t{0}, levels.size() / 2, levels.size() - 1}) {
            for (float const by : {0.95F, 1.05F}) {
                auto others = levels;
                others[moved] *= by;
                EXPECT_GT(distortion(others), ours) << bits << " bits, level " << moved;
            }
        }
    }
    // A level moved by 5% is beyond the tolerance of the table of errors, where one level matters.
    auto moved = lloyd_max_levels(4);
    moved[12] *= 1.05F;
    EXPECT_GT(distortion(moved), 1.01 * table[3]);
}

}  // namespace
}  // namespace kvstone
