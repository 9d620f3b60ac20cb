// ggml's blocks against libggml's own reference functions, byte for byte.

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

#ifdef KVSTONE_GGML
#include <ggml.h>
#endif

namespace kvstone {
namespace {

#ifdef KVSTONE_GGML

struct Blocks {
    std::string codec;
    ggml_type type;
};

/// Values that meet every case of the reference: plain, of all sizes, on a coarse grid (ties, and equal magnitudes of both
/// signs), of one sign, constant, zeros of both signs.
std::vector<float> block_values(std::uint64_t count) {
    auto values = normal_values(count);
    std::mt19937 random(7);
    for (std::size_t first = 0; first < count; first += 32) {
        auto const kind = random() % 10;
        auto const scale = std::ldexp(1.0F, static_cast<int>(random() % 30) - 20);
        for (std::size_t i = first; i < std::min<std::size_t>(count, first + 32); ++i) {
            if (kind >= 1) values[i] *= scale;
            if (kind >= 3 && kind < 8) values[i] = std::nearbyint(values[i] / scale * 4) / 4 * scale;
            if (kind == 4) values[i] = std::fabs(values[i]);
            if (kind == 5) values[i] = -std::fabs(values[i]);
            if (kind == 6) values[i] = scale;
            if (kind == 7) values[i] = random() % 2 == 0 ? 0.0F : -0.0F;
            // Ties: halves of the steps that a largest value of 127 makes, and of one with as many digits as a float has.
            auto const share = static_cast<float>(random() % 509) / 254 - 1;
            if (kind == 8) values[i] = scale * (i == first ? 127 : std::nearbyint(254 * share) / 2);
            if (kind == 9 && i > first) values[i] = values[first] * (std::nearbyint(32 * share) / 32);
        }
    }
    return values;
}

/// Each vector's blocks by the reference, the last one filled up with the vector's last value.
std::vector<std::byte> reference_bytes(ggml_type type, std::vector<float> const& values, std::uint64_t dim) {
    auto const padded = (dim + 31) / 32 * 32;
    auto const row_bytes = ggml_row_size(type, static_cast<std::int64_t>(padded));
    std::vector<std::byte> bytes(values.size() / dim * row_bytes);
    std::vector<float> row(padded);
    for (std::size_t v = 0; v < values.size() / dim; ++v) {
        for (std::size_t i = 0; i < padded; ++i) row[i] = values[v * dim + std::min<std::size_t>(i, dim - 1)];
        ggml_get_type_traits(type)->from_float_ref(row.data(), bytes.data() + v * row_bytes,
                                                   static_cast<std::int64_t>(padded));
    }
    return bytes;
}

class GgmlBlocksTest : public testing::TestWithParam<Blocks> {};

TEST_P(GgmlBlocksTest, BytesAreThoseOfTheReference) {
    for (KvShape const shape :
         {KvShape{2, 4, 1001, 128}, KvShape{1, 1, 333, 80}, KvShape{1, 2, 50, 1}, KvShape{1, 1, 9, 4096}}) {
        auto const values = block_values(shape.values());
        auto const ours = planes_of(GetParam().codec, shape, values).at(0);
        auto const theirs = reference_bytes(GetParam().type, values, shape.dim);
        ASSERT_EQ(ours.size(), theirs.size());
        auto const [at, other] = std::ranges::mismatch(ours, theirs);
        EXPECT_EQ(at, ours.end()) << "dim " << shape.dim << ", byte " << at - ours.begin() << " of "
                                  << ggml_type_size(GetParam().type) << " a block";
    }
}

TEST_P(GgmlBlocksTest, ValuesAreThoseOfTheReference) {
    KvShape const shape{2, 4, 1001, 128};
    auto const values = block_values(shape.values());
    auto const ours =
        decoded(encoded(GetParam().codec, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32)
            .values();
    auto const bytes = reference_bytes(GetParam().type, values, shape.dim);
    std::vector<float> theirs(values.size());
    ggml_get_type_traits(GetParam().type)
        ->to_float(bytes.data(), theirs.data(), static_cast<std::int64_t>(theirs.size()));
    // A product and a sum may be rounded once or twice.
    bool const with_least = GetParam().codec.ends_with("_1");
    for (std::size_t i = 0; i < values.size(); ++i) {
        float largest = 0;
        auto const first = i / 32 * 32;
        for (std::size_t k = first; k < first + 32; ++k) largest = std::max(largest, std::fabs(theirs[k]));
        ASSERT_NEAR(ours[i], theirs[i], with_least ? std::ldexp(largest, -23) : 0) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(All, GgmlBlocksTest,
                         testing::Values(Blocks{"q8_0", GGML_TYPE_Q8_0}, Blocks{"q4_0", GGML_TYPE_Q4_0},
                                         Blocks{"q4_1", GGML_TYPE_Q4_1}, Blocks{"q5_0", GGML_TYPE_Q5_0},
                                         Blocks{"q5_1", GGML_TYPE_Q5_1}),
                         [](auto const& all) { return test_name_of(all.param.codec); });

// Were ties rounded to even, or the product and the sum fused, blocks of these values would tell.
TEST(GgmlBlocksValues, TellRoundingsApart) {
    auto const values = block_values(1 << 20);
    std::size_t even = 0;
    std::size_t fused = 0;
    for (std::size_t first = 0; first < values.size(); first += 32) {
        float extreme = 0;
        for (std::size_t i = first; i < first + 32; ++i) {
            if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
        }
        if (extreme == 0) continue;
        float const of_eight = 1 / (std::fabs(extreme) / 127);
        float const of_four = 1 / (extreme / -8);
        for (std::size_t i = first; i < first + 32; ++i) {
            float volatile const eighth = values[i] * of_eight;
            float volatile const fourth = values[i] * of_four;
            even += std::round(eighth) != std::nearbyint(eighth);
            fused += std::floor(fourth + 8.5F) != std::floor(std::fma(values[i], of_four, 8.5F));
        }
    }
    EXPECT_GT(even, 100U);
    EXPECT_GT(fused, 0U);
}

#else

TEST(GgmlBlocksTest, BytesAreThoseOfTheReference) { GTEST_SKIP() << "this build is without libggml"; }

#endif

}  // namespace
}  // namespace kvstone
