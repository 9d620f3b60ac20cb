// The largest values of a block, kept by vector units, against a sort, on every kind of vector unit.

#include "codecs/kernels/pages/kept_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/kernels/scales.hpp"
#include "tests/codecs/stored.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

struct Kept {
    std::vector<std::byte> places;
    std::vector<float> others;
    float most = 0;
    bool operator==(Kept const&) const = default;
};

float rank_of(float value) { return std::isfinite(value) ? std::fabs(value) : -1; }

Kept by_sorting(std::vector<float> const& block, std::size_t kept) {
    std::vector<std::size_t> order(block.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](auto i, auto j) { return rank_of(block[i]) > rank_of(block[j]); });
    std::vector<bool> is_kept(block.size());
    for (std::size_t j = 0; j < kept; ++j) is_kept[order[j]] = true;
    Kept result{
        std::vector<std::byte>(3 * kept), {}, std::max(0.0F, rank_of(order.size() > kept ? block[order[kept]] : 0))};
    std::size_t done = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        if (!is_kept[i]) {
            result.others.push_back(block[i]);
            continue;
        }
        put_as(result.places.data() + 2 * done, saturated_half(block[i]));
        result.places[2 * kept + done++] = static_cast<std::byte>(i);
    }
    return result;
}

std::optional<Kept> by_vector_unit(std::vector<float> const& block, std::size_t kept) {
    Kept result{std::vector<std::byte>(3 * kept), std::vector<float>(block.size() + kept_padding), 0};
    // At the end of its memory, so that reading beyond would be seen by sanitizers.
    std::vector<float> const own(block);
    if (!keep_largest(own.data(), own.size(), kept, result.places.data(), result.others.data(), result.most)) return {};
    result.others.resize(block.size() - kept);
    return result;
}

TEST(KeptValues, AreThoseOfASortOnEveryTarget) {
    on_each_target([] {
        for (std::uint64_t const n : {4, 15, 32, 64, 100, 128, 255, 256}) {
            for (std::uint64_t kept = 0; kept <= most_kept_at_once && kept < n; ++kept) {
                for (unsigned seed = 1; seed < 6; ++seed) {
                    auto block = normal_values(n, seed);
                    if (seed == 2) block[n / 3] = 1e30F;
                    if (seed == 3) block[0] = -66000;
                    if (seed == 4) block[n - 1] = 1e-41F;
                    auto const found = by_vector_unit(block, kept);
                    ASSERT_TRUE(found) << n << ' ' << kept;
                    EXPECT_TRUE(*found == by_sorting(block, kept)) << n << ' ' << kept << ' ' << seed;
                }
            }
        }
    });
}

TEST(KeptValues, EqualAndNonFiniteOnesAreRightOrLeftToOthers) {
    on_each_target([] {
        int found_some = 0;
        for (std::uint64_t const n : {16, 128}) {
            for (unsigned seed = 1; seed < 40; ++seed) {
                std::vector<float> block;
                for (auto const value : normal_values(n, seed))
                    block.push_back(std::round(value * static_cast<float>(seed)));
                if (seed % 3 == 0) block[seed % n] = INFINITY;
                if (seed % 5 == 0) block[n - 1 - seed % n % 4] = -INFINITY;
                if (seed % 7 == 0) block[2] = NAN;
                for (std::uint64_t kept = 1; kept <= most_kept_at_once; ++kept) {
                    auto const found = by_vector_unit(block, kept);
                    if (!found) continue;
                    ++found_some;
                    auto const sorted = by_sorting(block, kept);
                    EXPECT_EQ(found->places, sorted.places) << n << ' ' << seed << ' ' << kept;
                    EXPECT_EQ(found->most, sorted.most);
                    EXPECT_EQ(std::memcmp(found->others.data(), sorted.others.data(), sorted.others.size() * 4), 0);
                }
            }
        }
        EXPECT_GT(found_some, 50);
        EXPECT_FALSE(by_vector_unit(std::vector<float>(128, 2), 3)) << "all are equal";
        EXPECT_FALSE(by_vector_unit(std::vector<float>(128, NAN), 3)) << "none is finite";
        EXPECT_EQ(by_vector_unit(std::vector<float>(128, -INFINITY), 0)->most, 0);
    });
}

TEST(KeptValues, AnotherPlaceIsNoticed) {
    auto const block = normal_values(128);
    auto found = by_vector_unit(block, 3);
    ASSERT_TRUE(found);
    EXPECT_TRUE(*found == by_sorting(block, 3));
    std::swap(found->others[1], found->others[2]);
    EXPECT_FALSE(*found == by_sorting(block, 3));
}

}  // namespace
}  // namespace kvstone
