// Runs of floats become numbers of sixteen bits, and back, as each by itself does, on every kind of vector unit.

#include "backends/kernels/casts.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "backends/kernels/half_lanes.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/nearest_element.hpp"
#include "tests/each_target.hpp"
#include "tests/rounding_floats.hpp"

namespace kvstone {
namespace {

std::uint32_t bits_of(float value) { return Kokkos::bit_cast<std::uint32_t>(value); }
std::uint16_t bits_of(Float16 value) { return value.bits; }
std::uint16_t bits_of(BFloat16 value) { return value.bits; }

/// Memory in which a line starts.
template <class T>
struct Lines {
    explicit Lines(std::size_t count) : memory(count * sizeof(T) + cache_line_bytes) {
        auto const past = reinterpret_cast<std::uintptr_t>(memory.data()) % cache_line_bytes;
        data = reinterpret_cast<T*>(memory.data() + (cache_line_bytes - past));
    }
    std::vector<std::byte> memory;
    T* data;
};

/// How many of cast(from, count) differ from one(from[i]), and what lies behind them from what lay there.
template <class T, class Cast, class One>
std::size_t wrong(std::size_t count, std::size_t past_line, Cast const& cast, One const& one) {
    Lines<T> lines(count + past_line + 1);
    auto* const to = lines.data + past_line;
    std::memset(static_cast<void*>(to + count), 0x5a, sizeof(T));
    T const behind = to[count];
    cast(to, count);
    std::size_t differ = bits_of(to[count]) != bits_of(behind) ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) differ += bits_of(to[i]) != bits_of(one(i)) ? 1 : 0;
    return differ;
}

template <class T>
class Casts : public testing::Test {};
using SixteenBits = testing::Types<Float16, BFloat16>;
TYPED_TEST_SUITE(Casts, SixteenBits);

TYPED_TEST(Casts, FloatsAreAsOneByOneOnEveryTarget) {
    auto const floats = rounding_floats();
    on_each_target([&] {
        for (bool const streaming : {false, true}) {
            CastPlaces const places{streaming, true};
            EXPECT_EQ(wrong<TypeParam>(
                          floats.size(), 0,
                          [&](TypeParam* to, std::size_t count) { cast_values(floats.data(), to, count, places); },
                          [&](std::size_t i) { return from_float<TypeParam>(floats[i]); }),
                      0U);
            EXPECT_EQ(wrong<TypeParam>(
                          floats.size(), 0,
                          [&](TypeParam* to, std::size_t count) { cast_to_nearest(floats.data(), to, count, places); },
                          [&](std::size_t i) { return nearest_element<TypeParam>(floats[i]); }),
                      0U);
        }
    });
}

TYPED_TEST(Casts, EveryNumberIsItsFloatOnEveryTarget) {
    std::vector<TypeParam> numbers(65536);
    for (std::uint32_t i = 0; i < 65536; ++i) numbers[i].bits = static_cast<std::uint16_t>(i);
    on_each_target([&] {
        for (bool const streaming : {false, true}) {
            EXPECT_EQ(
                wrong<float>(
                    numbers.size(), 0,
                    [&](float* to, std::size_t count) { cast_values(numbers.data(), to, count, {streaming, true}); },
                    [&](std::size_t i) { return to_float(numbers[i]); }),
                0U);
        }
    });
}

TYPED_TEST(Casts, AnyLengthAtAnyPlace) {
    auto const floats = rounding_floats();
    std::vector<TypeParam> numbers(200);
    for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i].bits = static_cast<std::uint16_t>(i * 331);
    on_each_target([&] {
        for (std::size_t count = 0; count < 130; ++count) {
            for (std::size_t const past_line : {0, 1, 8, 16, 31}) {
                auto const first = count * 37;
                EXPECT_EQ(wrong<TypeParam>(
                              count, past_line,
                              [&](TypeParam* to, std::size_t n) { cast_values(&floats[first], to, n, {true, false}); },
                              [&](std::size_t i) { return from_float<TypeParam>(floats[first + i]); }),
                          0U);
                EXPECT_EQ(wrong<float>(
                              count, past_line,
                              [&](float* to, std::size_t n) { cast_values(&numbers[past_line], to, n, {true, false}); },
                              [&](std::size_t i) { return to_float(numbers[past_line + i]); }),
                          0U);
            }
        }
    });
}

TYPED_TEST(Casts, WrongRoundingIsNoticed) {
    auto const floats = rounding_floats();
    auto const cast = [&](TypeParam* to, std::size_t count) { cast_values(floats.data(), to, count, {}); };
    auto const towards = [&](float end) {
        return wrong<TypeParam>(floats.size(), 0, cast,
                                [&](std::size_t i) { return from_float<TypeParam>(std::nextafter(floats[i], end)); });
    };
    EXPECT_GT(towards(0.0F), 500U) << "ties go up";
    EXPECT_GT(towards(INFINITY), 500U) << "ties go down";
    // The sign of NaN, one kind of NaN, and finite values that become Inf.
    auto const differing = [&](auto const& one) { return wrong<TypeParam>(floats.size(), 0, cast, one); };
    EXPECT_GT(differing([&](std::size_t i) { return from_float<TypeParam>(std::fabs(floats[i])); }), 1000U);
    EXPECT_GT(differing([&](std::size_t i) { return nearest_element<TypeParam>(floats[i]); }), 10U);
}

TEST(HalfLanes, RowsOfAnyLengthSaturateAndRoundAsOneByOne) {
    std::vector<float> floats;
    for (auto const value : rounding_floats()) {
        if (value == value) floats.push_back(value);
    }
    floats.resize(floats.size() / 2 * 2 - 1);
    on_each_target([&] {
        for (std::size_t const length :
             {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{97}, floats.size()}) {
            std::vector<std::byte> halves(2 * length + 1);
            saturated_halves_of(floats.data(), length, halves.data() + 1);  // at an odd place
            std::vector<float> back(length);
            floats_of_halves(halves.data() + 1, length, back.data());
            std::size_t differ = 0;
            for (std::size_t i = 0; i < length; ++i) {
                std::uint16_t bits = 0;
                std::memcpy(&bits, halves.data() + 1 + 2 * i, sizeof(bits));
                auto const alone = from_float<Float16>(std::fmin(std::fmax(floats[i], -65504.0F), 65504.0F));
                differ += bits != alone.bits || bits_of(back[i]) != bits_of(to_float(alone)) ? 1 : 0;
            }
            EXPECT_EQ(differ, 0U) << length;
        }
    });
}

}  // namespace
}  // namespace kvstone
