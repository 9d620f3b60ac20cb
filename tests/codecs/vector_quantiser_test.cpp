// The frame of quantisers with a scale for each vector, by stages that fill in its members in other ways than the worked
// example does. The conformance suite tests them as all stages.

#include "codecs/kernels/vector_quantiser.hpp"

#include <cfloat>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "codecs/register_stage.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {

/// Signed integers of the frame's own, a scale of one byte: 2^(s - 127).
struct TestPowers : VectorQuantiser<TestPowers> {
    static StageInfo info() {
        StageInfo info;
        info.name = "test-powers";
        info.summary = "integers times a power of two";
        info.non_finite = NonFinite::saturated;
        info.options = {integer_option("bits", std::nullopt, 3, 8, "bits of a code")};
        info.examples = {"test-powers:bits=3", "test-powers:bits=5", "test-powers:bits=8 | zstd"};
        return info;
    }
    explicit TestPowers(Options const& options) : bits(static_cast<unsigned>(options.integer("bits"))) {}

    unsigned bits;
    KOKKOS_INLINE_FUNCTION std::uint8_t scale_of(float largest) const {
        auto const last = static_cast<float>((1 << (bits - 1)) - 1);
        return static_cast<std::uint8_t>((Kokkos::bit_cast<std::uint32_t>(largest / last) + 0x7fffffU) >> 23);
    }
    KOKKOS_INLINE_FUNCTION float step(std::uint8_t scale) const {
        return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(scale) << 23);
    }
};

/// Four levels that are not evenly spaced, and whose codes are not in their order.
struct TestLevels : VectorQuantiser<TestLevels> {
    static StageInfo info() {
        StageInfo info;
        info.name = "test-levels";
        info.summary = "levels -1, 1/2, 1 and 0 of the largest magnitude";
        info.non_finite = NonFinite::saturated;
        info.examples = {"test-levels"};
        info.side_bits = {0.5, "a scale of 32 bits for 64 values"};
        return info;
    }
    explicit TestLevels(Options const&) {}

    static constexpr unsigned bits = 2;
    KOKKOS_INLINE_FUNCTION float scale_of(float largest) const { return largest; }
    KOKKOS_INLINE_FUNCTION unsigned code(float x) const { return x < -0.5F ? 0 : x < 0.25F ? 3 : x < 0.75F ? 1 : 2; }
    KOKKOS_INLINE_FUNCTION float level(unsigned code) const {
        return code == 0 ? -1.0F : code == 1 ? 0.5F : code == 2 ? 1.0F : 0.0F;
    }
};

static Register<TestPowers> const registered_powers;
static Register<TestLevels> const registered_levels;

namespace {

std::vector<float> decoded_vector(std::string const& codec, std::vector<float> const& values) {
    KvShape const shape{1, 1, 1, values.size()};
    return decoded(encoded(codec, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32).values();
}

TEST(VectorQuantiser, StoresWhatItsStagesSay) {
    std::vector<float> const values{7, -3.6F, 0, 1};
    // The worked example's page.
    EXPECT_EQ(stored_planes("example-int4", values),
              (std::vector<Bytes>{bytes_of({0x4f, 0x98}), bytes_of({0x00, 0x00, 0x80, 0x3f})}));
    EXPECT_EQ(decoded_vector("example-int4", values), (std::vector<float>{7, -4, 0, 1}));
    // 15 steps of 1 reach 7 with bits to spare: steps of 1/2, and -3.6 is -7 of them. Codes 30, 9, 16, 18 of five bits.
    EXPECT_EQ(stored_planes("test-powers:bits=5", values),
              (std::vector<Bytes>{bytes_of({0x3e, 0x41, 0x09}), bytes_of({126})}));
    EXPECT_EQ(decoded_vector("test-powers:bits=5", values), (std::vector<float>{7, -3.5F, 0, 1}));
    EXPECT_EQ(decoded_vector("test-levels", {8, 0, 4, -8}), (std::vector<float>{8, 0, 4, -8}));
}

TEST(VectorQuantiser, BoundsTheErrorByHalfTheWidestGap) {
    // Between -1 and 0: 8.
    std::vector<float> const values{8, -5, 1, 3};
    auto const bounds =
        declared_error_bounds(Codec::parse("test-levels"), Component::k, {1, 1, 1, 4}, ElementType::f32, values);
    for (auto const bound : bounds) EXPECT_NEAR(bound, 4, 1e-4);
    auto const of_integers =
        declared_error_bounds(Codec::parse("example-int4"), Component::k, {1, 1, 1, 4}, ElementType::f32, values);
    for (auto const bound : of_integers) EXPECT_NEAR(bound, 8.0 / 14, 1e-4);
}

TEST(VectorQuantiser, HandsNoStageWhatIsNotFinite) {
    auto const infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(decoded_vector("example-int4", {NAN, infinity, -infinity, 14}), (std::vector<float>{0, 14, -14, 14}));
    EXPECT_EQ(decoded_vector("example-int4", {0, 0}), (std::vector<float>{0, 0}));
    // 3 steps of 2^127 are beyond the largest float, 2^128: the largest float comes back.
    EXPECT_EQ(decoded_vector("test-powers:bits=3", {FLT_MAX, -FLT_MAX}), (std::vector<float>{FLT_MAX, -FLT_MAX}));
}

}  // namespace
}  // namespace kvstone
