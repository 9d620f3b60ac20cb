// Rows of binary16 numbers equal single conversions.

#include "backends/kernels/half_lanes.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

TEST(HalfLanes, EveryHalfIsItsFloat) {
    std::vector<std::byte> halves(2 * 65536);
    for (std::uint32_t i = 0; i < 65536; ++i) {
        auto const bits = static_cast<std::uint16_t>(i);
        std::memcpy(halves.data() + 2 * i, &bits, sizeof(bits));
    }
    std::vector<float> floats(65536);
    floats_of_halves(halves.data(), 65535, floats.data());  // an odd number: the last ones go alone
    for (std::uint32_t i = 0; i < 65535; ++i) {
        auto const alone = to_float(Float16{static_cast<std::uint16_t>(i)});
        EXPECT_EQ(Kokkos::bit_cast<std::uint32_t>(floats[i]), Kokkos::bit_cast<std::uint32_t>(alone)) << i;
    }
}

TEST(HalfLanes, FloatsSaturateAndRoundAsOneByOne) {
    std::vector<float> floats;
    for (std::uint32_t bits = 0; bits < 0xff800000U; bits += 4093) {
        auto const value = Kokkos::bit_cast<float>(bits);
        if (value == value) floats.push_back(value);
    }
    std::vector<std::byte> halves(2 * floats.size());
    saturated_halves_of(floats.data(), floats.size(), halves.data());
    for (std::size_t i = 0; i < floats.size(); ++i) {
        std::uint16_t bits = 0;
        std::memcpy(&bits, halves.data() + 2 * i, sizeof(bits));
        auto const alone = from_float<Float16>(std::fmin(std::fmax(floats[i], -65504.0F), 65504.0F));
        ASSERT_EQ(bits, alone.bits) << floats[i];
    }
}

#ifdef KVSTONE_WIDE_LANES
TEST(HalfLanes, RegistersConvertAsOneByOne) {
    for (std::uint64_t base = 0; base <= 0xffffffffU; base += 16ULL * 1021) {
        alignas(64) float values[16];
        alignas(64) Float16 halves[16];
        for (std::uint32_t i = 0; i < 16; ++i) {
            values[i] = Kokkos::bit_cast<float>(static_cast<std::uint32_t>(base + i * 1021ULL));
        }
        auto const made = halves_in_lanes(_mm512_loadu_ps(values));
        std::memcpy(halves, &made, sizeof(halves));
        for (int i = 0; i < 16; ++i) ASSERT_EQ(halves[i].bits, from_float<Float16>(values[i]).bits) << values[i];
    }
}
#endif

}  // namespace
}  // namespace kvstone
