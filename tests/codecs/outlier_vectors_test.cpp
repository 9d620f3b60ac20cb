// Outliers of vectors, taken by vector units, against plain loops, on every kind of vector unit.

#include "codecs/kernels/pages/outlier_vectors.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/kernels/take_outliers.hpp"
#include "tests/codecs/stored.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

struct Result {
    explicit Result(std::uint64_t dim) : out(dim + 1, 7) {}
    std::vector<float> out;
    std::vector<std::byte> values = std::vector<std::byte>(64);
    std::vector<std::byte> indices = std::vector<std::byte>(16);
    bool operator==(Result const& other) const {
        return std::memcmp(out.data(), other.out.data(), out.size() * sizeof(float)) == 0 && values == other.values &&
               indices == other.indices;
    }
};

Result by_plain_loops(std::vector<float> const& vector, std::uint64_t each, std::uint32_t value_bytes) {
    Result result(vector.size());
    std::ranges::copy(vector, result.out.begin());
    TakeOutliers const take{{result.values.data(), result.indices.data(), value_bytes, 1}, each};
    take(vector.data(), Strided<float>{result.out.data(), 1}, vector.size(), 0);
    return result;
}

/// Nothing where the vector needs a closer look.
std::optional<Result> by_vector_unit(std::vector<float> const& vector, std::uint64_t each, std::uint32_t value_bytes,
                                     bool in_place) {
    auto const dim = vector.size();
    Result result(dim);
    if (in_place) std::ranges::copy(vector, result.out.begin());
    auto const* const in = in_place ? result.out.data() : vector.data();
    OutlierVectors const vectors{
        in, result.out.data(), dim, dim, 1, dim, each, value_bytes, result.values.data(), result.indices.data(), false};
    return take_outliers(vectors) == 1 ? std::optional(result) : std::nullopt;
}

TEST(OutlierVectors, AreThoseOfPlainLoopsOnEveryTarget) {
    on_each_target([] {
        int taken = 0;
        int of = 0;
        for (std::uint64_t const dim : {3, 16, 17, 64, 80, 100, 128, 250, 256}) {
            for (std::uint64_t each = 1; each <= OutlierVectors::most_each_end && 2 * each < dim; ++each) {
                for (unsigned seed = 1; seed < 9; ++seed) {
                    auto vector = normal_values(dim, seed);
                    if (seed == 3) vector[dim / 2] = INFINITY;
                    if (seed == 4) vector[dim - 1] = -INFINITY;
                    if (seed == 5) vector[0] = 1e30F;
                    if (seed == 6) vector[1] = -1e-42F;
                    for (std::uint32_t const bytes : {2U, 4U}) {
                        auto const found = by_vector_unit(vector, each, bytes, seed % 2 == 0);
                        ++of;
                        if (!found) continue;
                        ++taken;
                        EXPECT_TRUE(*found == by_plain_loops(vector, each, bytes)) << dim << ' ' << each << ' ' << seed;
                    }
                }
            }
        }
        EXPECT_EQ(taken, of) << "of vectors without equal values and NaN all are taken";
    });
}

TEST(OutlierVectors, EqualValuesAndNanAreRightOrLeftToOthers) {
    on_each_target([] {
        int taken = 0;
        for (std::uint64_t const dim : {16, 37, 128}) {
            for (unsigned kinds = 2; kinds < 40; ++kinds) {
                std::vector<float> vector;
                for (auto const value : normal_values(dim, kinds)) {
                    vector.push_back(std::round(value * static_cast<float>(kinds)) / 4);
                }
                for (std::uint64_t each = 1; each <= 7; ++each) {
                    auto const found = by_vector_unit(vector, each, 4, false);
                    if (!found) continue;
                    ++taken;
                    EXPECT_TRUE(*found == by_plain_loops(vector, each, 4)) << dim << ' ' << kinds << ' ' << each;
                }
                vector[kinds % dim] = NAN;
                EXPECT_FALSE(by_vector_unit(vector, 2, 4, false)) << "has NaN";
            }
        }
        EXPECT_GT(taken, 20);
    });
}

TEST(OutlierVectors, ZerosKeepTheirSigns) {
    // What stands for the largest is 0, of whichever sign it was; what stands for the smallest -0.
    for (float const zero : {0.0F, -0.0F}) {
        std::vector<float> vector(17, -1);
        for (std::size_t i = 0; i < vector.size(); ++i) vector[i] -= static_cast<float>(i);
        vector[5] = zero;
        vector[9] = 3;
        auto const found = by_vector_unit(vector, 1, 4, false);
        ASSERT_TRUE(found);
        EXPECT_FALSE(std::signbit(found->out[9]));
        EXPECT_EQ(std::signbit(found->out[5]), std::signbit(zero)) << "stays as it is";
        EXPECT_TRUE(*found == by_plain_loops(vector, 1, 4));
    }
}

TEST(OutlierVectors, AnotherValueInPlaceIsNoticed) {
    auto const vector = normal_values(128, 1);
    auto found = by_vector_unit(vector, 2, 2, false);
    ASSERT_TRUE(found);
    auto const plain = by_plain_loops(vector, 2, 2);
    EXPECT_TRUE(*found == plain);
    auto const place = std::to_integer<std::size_t>(found->indices[0]);
    found->out[place] = std::nextafter(found->out[place], INFINITY);
    EXPECT_FALSE(*found == plain);
}

}  // namespace
}  // namespace kvstone
