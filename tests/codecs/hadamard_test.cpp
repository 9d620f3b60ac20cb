// The randomised Hadamard transform against its definition, and its gain for a quantiser.

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/kernels/walsh_hadamard.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

std::vector<bool> flips(std::uint64_t seed, std::size_t channels) {
    std::vector<bool> result;
    std::uint64_t state = seed;
    for (std::size_t c = 0; c < channels; ++c) {
        state += 0x9e3779b97f4a7c15U;
        auto bits = state;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
        result.push_back(((bits ^ (bits >> 31)) & (std::uint64_t{1} << 63)) != 0);
    }
    return result;
}

/// H D x / sqrt(n) as it is defined, block after block.
std::vector<double> reference(std::vector<float> const& vector, std::vector<std::size_t> const& blocks,
                              std::vector<bool> const& flipped) {
    std::vector<double> result;
    std::size_t first = 0;
    for (auto const n : blocks) {
        for (std::size_t i = 0; i < n; ++i) {
            double sum = 0;
            for (std::size_t j = 0; j < n; ++j) {
                bool const minus = (std::popcount(i & j) % 2 == 1) != flipped[first + j];
                sum += minus ? -double{vector[first + j]} : double{vector[first + j]};
            }
            result.push_back(sum / std::sqrt(static_cast<double>(n)));
        }
        first += n;
    }
    return result;
}

/// Largest difference over the vector's norm.
double distance(std::vector<float> const& ours, std::vector<double> const& expected) {
    double worst = 0;
    double squares = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        worst = std::max(worst, std::fabs(ours[i] - expected[i]));
        squares += expected[i] * expected[i];
    }
    return worst / std::sqrt(squares);
}

TEST(Hadamard, WorkedExample) {
    auto const planes = planes_of("hadamard | raw", {1, 1, 1, 4}, {1, 2, 3, 4});
    ASSERT_EQ(planes.size(), 1U) << "nothing is stored beside the values";
    EXPECT_EQ(planes[0], bytes_of({0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0x80, 0x3f, 0, 0, 0xa0, 0xc0}));
}

struct Cut {
    std::string text;
    std::vector<std::size_t> blocks;
    std::uint64_t seed = 0;
};

class HadamardCut : public testing::TestWithParam<Cut> {};

TEST_P(HadamardCut, IsItsDefinition) {
    auto const& [text, blocks, seed] = GetParam();
    std::size_t dim = 0;
    for (auto const n : blocks) dim += n;
    auto const flipped = flips(seed, dim);
    auto const values = test_values({1, 2, 3, dim});
    auto const ours = transformed(text, {1, 2, 3, dim}, values);
    auto const tolerance = 1e-6;
    for (std::size_t first = 0; first < values.size(); first += dim) {
        auto const at = static_cast<std::ptrdiff_t>(first);
        auto const end = at + static_cast<std::ptrdiff_t>(dim);
        std::vector<float> const vector(values.begin() + at, values.begin() + end);
        std::vector<float> const rotated(ours.begin() + at, ours.begin() + end);
        EXPECT_LT(distance(rotated, reference(vector, blocks, flipped)), tolerance);
        if (dim == 1) continue;
        EXPECT_GT(distance(rotated, reference(vector, blocks, flips(seed + 1, dim))), tolerance) << "other signs";
        auto one_wrong = flipped;
        one_wrong[dim / 2] = !one_wrong[dim / 2];
        EXPECT_GT(distance(rotated, reference(vector, blocks, one_wrong)), tolerance) << "one sign wrong";
        if (blocks.size() < 2 || blocks.front() == blocks.back()) continue;
        std::vector<std::size_t> const reversed(blocks.rbegin(), blocks.rend());
        EXPECT_GT(distance(rotated, reference(vector, reversed, flipped)), tolerance) << "other order of blocks";
    }
}

INSTANTIATE_TEST_SUITE_P(Dims, HadamardCut,
                         testing::Values(Cut{"hadamard", {1}}, Cut{"hadamard", {2}}, Cut{"hadamard", {8}},
                                         Cut{"hadamard", {8, 4, 1}}, Cut{"hadamard", {16}}, Cut{"hadamard", {32}},
                                         Cut{"hadamard", {64}}, Cut{"hadamard", {64, 16}}, Cut{"hadamard", {64, 32}},
                                         Cut{"hadamard", {128}}, Cut{"hadamard:seed=5", {128}, 5},
                                         Cut{"hadamard:block=32", {32, 32, 16}}, Cut{"hadamard", {256}},
                                         Cut{"hadamard", {512, 64}}, Cut{"hadamard", {1024, 1024, 512, 4}}),
                         [](auto const& cut) {
                             auto name =
                                 "hadamard__" +
                                 as_test_name(cut.param.text == "hadamard" ? "whole" : cut.param.text.substr(9));
                             for (auto const n : cut.param.blocks) name += "_" + std::to_string(n);
                             return name;
                         });

TEST(Hadamard, IsOrthonormal) {
    std::size_t const dim = 80;
    std::vector<float> units(dim * dim);
    for (std::size_t i = 0; i < dim; ++i) units[i * dim + i] = 1;
    auto rotated = transformed("hadamard", {1, 1, dim, dim}, units);
    auto const furthest = [&] {
        double worst = 0;
        for (std::size_t i = 0; i < dim; ++i) {
            for (std::size_t j = 0; j < dim; ++j) {
                double product = 0;
                for (std::size_t c = 0; c < dim; ++c) product += double{rotated[i * dim + c]} * rotated[j * dim + c];
                worst = std::max(worst, std::fabs(product - (i == j ? 1 : 0)));
            }
        }
        return worst;
    };
    EXPECT_LT(furthest(), 1e-6);
    for (auto& value : rotated) value *= 1.00001F;
    EXPECT_GT(furthest(), 1e-6) << "a scale that is a little off";
}

/// Signs and a scale, as rows before and after.
struct Rows {
    explicit Rows(std::uint64_t dim) : before(dim), after(dim) {
        for (std::size_t c = 0; c < dim; ++c) {
            before[c] = c % 3 == 0 ? -0.3F : 0.3F;
            after[c] = c % 5 == 0 ? -1.0F : 1.0F;
        }
    }
    HadamardRows of(std::uint64_t most) const { return {most, before.data(), after.data()}; }
    std::vector<float> before;
    std::vector<float> after;
};

/// Values of one vector that are not those of plain loops: the same bits, or both NaN.
std::size_t differing(HadamardRows const& rows, float const* in, float const* out, std::uint64_t dim) {
    std::size_t differ = 0;
    for (std::uint64_t first = 0, n = 0; first < dim; first += n) {
        n = hadamard_block(first, dim, rows.most_values);
        std::vector<float> plain(n);
        hadamard_in_cache(n, in + first, rows.before + first, rows.after + first, plain.data());
        for (std::uint64_t i = 0; i < n; ++i) {
            bool const same = std::bit_cast<std::uint32_t>(out[first + i]) == std::bit_cast<std::uint32_t>(plain[i]);
            differ += same || (std::isnan(out[first + i]) && std::isnan(plain[i])) ? 0 : 1;
        }
    }
    return differ;
}

TEST(Hadamard, EveryTargetComputesWhatPlainLoopsDo) {
    constexpr std::uint64_t count = 3;
    on_each_target([&] {
        for (std::uint64_t const dim : {1, 2, 7, 8, 16, 24, 32, 48, 64, 80, 96, 128, 256, 384, 512, 1024, 1040}) {
            auto const stride = dim + dim % 3;
            auto values = test_values({1, 1, count, stride});
            // One vector of the largest and smallest numbers and zeros, one with NaN and Inf in one block each.
            for (std::uint64_t c = 0; c < dim; ++c) {
                float const sign = c % 2 == 0 ? 1 : -1;
                values[stride + c] = sign * (c % 3 == 0 ? 0 : c % 7 == 0 ? FLT_MAX : 1e-42F);
            }
            values[2 * stride] = std::numeric_limits<float>::quiet_NaN();
            values[2 * stride + dim - 1] = -std::numeric_limits<float>::infinity();
            for (std::uint64_t const most : {std::uint64_t{4}, std::uint64_t{32}, most_hadamard_values}) {
                Rows const rows(dim);
                for (bool const streaming : {false, true}) {
                    // One more value at each end, which has to stay; streams only where out starts lines.
                    std::vector<float> memory(count * dim + 40, 7);
                    auto const line = reinterpret_cast<std::uintptr_t>(memory.data() + 16) % 64 / sizeof(float);
                    auto* const out = memory.data() + 16 + (streaming ? (16 - line) % 16 : 1);
                    transform_vectors({values.data(), out, stride, dim, count, dim, streaming}, rows.of(most));
                    for (std::uint64_t t = 0; t < count; ++t) {
                        EXPECT_EQ(differing(rows.of(most), &values[t * stride], out + t * dim, dim), 0U)
                            << dim << " in blocks of " << most << ", vector " << t;
                    }
                    EXPECT_EQ(out[-1], 7);
                    EXPECT_EQ(out[count * dim], 7);
                }
                auto in_place = values;
                transform_vectors({in_place.data(), in_place.data(), stride, stride, count, dim, false}, rows.of(most));
                for (std::uint64_t t = 0; t < count; ++t) {
                    EXPECT_EQ(differing(rows.of(most), &values[t * stride], &in_place[t * stride], dim), 0U) << dim;
                }
            }
        }
    });
}

TEST(Hadamard, AnotherOrderOfAdditionsIsNoticed) {
    std::uint64_t const dim = 128;
    auto const values = test_values({1, 1, 1, dim});
    Rows const rows(dim);
    std::vector<float> other(dim);
    for (std::uint64_t i = 0; i < dim; ++i) other[i] = values[i] * rows.before[i];
    for (std::uint64_t step = dim / 2; step > 0; step /= 2) {
        for (std::uint64_t i = 0; i < dim; ++i) {
            if ((i & step) != 0) continue;
            float const low = other[i];
            other[i] = low + other[i + step];
            other[i + step] = low - other[i + step];
        }
    }
    for (std::uint64_t i = 0; i < dim; ++i) other[i] *= rows.after[i];
    EXPECT_GT(differing(rows.of(dim), values.data(), other.data(), dim), 10U);
}

TEST(Hadamard, TeamsComputeWhatRegistersDo) {
    for (std::uint64_t const dim : {7, 80, 128, 1040}) {
        KvShape const shape{2, 1, 5, dim};
        auto const values = test_values(shape);
        Rows const rows(dim);
        KvSpan<float const> const in{values.data(), shape, KvStrides::packed(shape)};
        std::vector<float> one(values.size());
        std::vector<float> other(values.size());
        Kokkos::DefaultHostExecutionSpace const space;
        walsh_hadamard_on_host(space, in, {one.data(), shape, in.strides}, rows.of(most_hadamard_values));
        walsh_hadamard_in_teams(space, in, {other.data(), shape, in.strides}, rows.of(most_hadamard_values));
        EXPECT_EQ(one, other) << dim;
    }
}

TEST(Hadamard, TakesBlocksOfPowersOfTwo) {
    TestTensor const tensor({1, 1, 1, 64}, ElementType::f32);
    try {
        encoded("hadamard:block=48 | raw", tensor);
        FAIL() << "accepted";
    } catch (ConfigError const& error) {
        EXPECT_THAT(error.what(),
                    testing::AllOf(testing::HasSubstr("48"), testing::HasSubstr("32"), testing::HasSubstr("64")));
    }
}

/// Error with the transform over error without, of 4-bit integers with a scale a vector.
double gain(std::string const& transforms, KvShape const& shape, std::vector<float> const& values) {
    auto const quantise = [&](std::vector<float>& coded) { quantise_vectors(coded, shape.dim, 4); };
    auto plain = values;
    quantise(plain);
    return relative_energy(values, decoded_after(transforms, shape, values, quantise)) / relative_energy(values, plain);
}

TEST(Hadamard, HelpsWhereChannelsStandOut) {
    for (std::uint64_t const dim : {64, 80, 128, 256}) {
        KvShape const shape{1, 1, 512, dim};
        auto const with = gain("hadamard", shape, test_values(shape));
        std::printf("dim %d: error with rotation %.3f of that without\n", static_cast<int>(dim), with);
        EXPECT_LT(with, 0.2) << dim;
        // Blocks of two cannot share an outlier with more than its neighbour.
        EXPECT_GT(gain("hadamard:block=2", shape, test_values(shape)), 0.2) << dim;
    }
}

TEST(Hadamard, MattersNotOnNormalValues) {
    KvShape const shape{1, 1, 4096, 128};
    EXPECT_NEAR(gain("hadamard", shape, normal_values(shape.values())), 1, 0.01);
    EXPECT_GT(std::fabs(gain("hadamard", shape, test_values(shape)) - 1), 0.01) << "but on those with outliers";
}

}  // namespace
}  // namespace kvstone
