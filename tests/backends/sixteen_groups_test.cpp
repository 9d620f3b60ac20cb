// Sixteen groups at once have the ends and codes that each has by itself.

#include "backends/kernels/sixteen_groups.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// Vectors of `per_vector` groups with room behind each; every seventh group has something that is not a number.
template <unsigned size>
std::vector<float> values_of(std::uint64_t vectors, std::uint64_t per_vector, std::uint64_t stride) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> values(vectors * stride + 64 * groups_together * size);
    for (auto& value : values) value = normal(random);
    float const odd[] = {nan, infinity, -infinity, -nan, -0.0F, 0x1p-149F, std::nanf("5")};
    for (std::uint64_t g = 0; g < vectors * per_vector; g += 7) {
        auto* const group = values.data() + g / per_vector * stride + g % per_vector * size;
        for (unsigned i = 0; i < size; ++i) {
            if (g % 21 == 0 || i % 5 == 0) group[i] = odd[(g / 7 + (g % 21 == 0 ? 0 : i / 5)) % std::size(odd)];
        }
    }
    return values;
}

template <unsigned size, bool with_sign>
void expect_same(std::uint64_t vectors, std::uint64_t per_vector, std::uint64_t stride, unsigned bits) {
    auto const values = values_of<size>(vectors, per_vector, stride);
    auto const groups = vectors * per_vector;
    GridCodes<with_sign> coder{bits, nullptr, nullptr};
    float zero[2][groups_together];
    float inverse[2][groups_together];
    std::uint64_t seen = 0;
    using Groups = SixteenGroups<size, float const>;
    auto const group_of = [&](std::uint64_t g) {
        return values.data() + g / per_vector * stride + g % per_vector * size;
    };
    auto const range = [&](std::uint64_t first, unsigned slot, Groups const& now, Groups const& ahead) {
        float low[groups_together];
        float high[groups_together];
        float magnitude[groups_together];
        now.ends(ahead, low, high);
        now.magnitudes(ahead, magnitude);
        for (std::uint64_t g = 0; g < now.count; ++g) {
            ASSERT_EQ(now.at[g], group_of(first + g));
            float least = 0;
            float most = 0;
            finite_ends(now.at[g], size, least, most);
            EXPECT_EQ(low[g], least);
            EXPECT_EQ(high[g], most);
            EXPECT_FALSE(std::signbit(low[g]) && low[g] == 0);
            EXPECT_EQ(magnitude[g], largest_magnitude(now.at[g], size));
            zero[slot][g] = with_sign ? 0 : least;
            // Too small a step, so that values lie beyond the last code; none at all for one group.
            inverse[slot][g] = (first + g) % 5 == 0 ? 0.0F : 1.4F * coder.most() / std::fmax(most - least, 1e-30F);
        }
    };
    auto const code = [&](std::uint64_t first, unsigned slot, Groups const& now, Groups const& ahead) {
        std::vector<std::uint16_t> together(groups_together * size);
        coder.zero = zero[slot];
        coder.inverse = inverse[slot];
        now.codes(coder, ahead, together.data());
        for (std::uint64_t g = 0; g < now.count; ++g, ++seen) {
            for (unsigned i = 0; i < size; ++i) {
                auto const alone = coder(g, group_of(first + g)[i]) & coder.mask();
                ASSERT_EQ(together[g * size + i], alone)
                    << "group " << first + g << " value " << group_of(first + g)[i];
            }
        }
    };
    sixteen_at_a_time<size>(GroupPlaces<float const>(values.data(), stride, per_vector, size), groups, range, code);
    EXPECT_EQ(seen, groups);
}

TEST(SixteenGroups, AreAsEachByItself) {
    expect_same<32, false>(16, 4, 128, 4);
    expect_same<32, true>(16, 4, 128, 8);
    expect_same<16, false>(5, 3, 48, 10);
    expect_same<64, true>(7, 1, 64, 12);
    expect_same<128, false>(33, 2, 256, 2);
}

TEST(SixteenGroups, LieInVectorsApart) {
    expect_same<32, false>(11, 3, 200, 4);
    expect_same<64, true>(1, 1, 1000, 5);
}

TEST(RowEnds, AreThoseOfEachChannel) {
    for (std::uint64_t const channels : {1U, 63U, 64U, 80U, 192U}) {
        auto const values = values_of<16>(40, channels / 16 + 1, 256);
        std::vector<float> low(channels);
        std::vector<float> high(channels);
        row_ends(values.data(), 256, 32, channels, low.data(), high.data());
        for (std::uint64_t c = 0; c < channels; ++c) {
            float least = 0;
            float most = 0;
            finite_ends(Strided<float const>{values.data() + c, 256}, 32, least, most);
            EXPECT_EQ(low[c], least) << c;
            EXPECT_EQ(high[c], most) << c;
        }
    }
}

TEST(GridCodes, TakeTheNearestCodeInRange) {
    float const zero = 0;
    float const inverse = 1;
    GridCodes<true> const with_sign{4, &zero, &inverse};
    GridCodes<false> const without{4, &zero, &inverse};
    // To nearest, ties to even; two's complement; NaN as 0, whatever else it holds.
    float const values[] = {0.5F, 1.5F, -0.5F, -1.5F, 7.4F, 8.0F, -9.0F, infinity, -infinity, nan, std::nanf("77")};
    unsigned const signed_codes[] = {0, 2, 0, 14, 7, 7, 9, 7, 9, 0, 0};
    unsigned const codes[] = {0, 2, 0, 0, 7, 8, 0, 15, 0, 0, 0};
    for (std::size_t i = 0; i < std::size(values); ++i) {
        std::vector<float> const many(100, values[i]);
        std::vector<std::uint8_t> bytes(100);
        std::vector<std::uint16_t> words(100);
        grid_codes<false>(with_sign, many.data(), 100, bytes.data());
        grid_codes<false>(with_sign, many.data(), 100, words.data());
        for (int k = 0; k < 100; ++k) {
            EXPECT_EQ(bytes[static_cast<std::size_t>(k)], signed_codes[i]) << values[i];
            EXPECT_EQ(words[static_cast<std::size_t>(k)], signed_codes[i]) << values[i];
        }
        grid_codes<false>(without, many.data(), 100, bytes.data());
        for (auto const byte : bytes) EXPECT_EQ(byte, codes[i]) << values[i];
    }
}

}  // namespace
}  // namespace kvstone
