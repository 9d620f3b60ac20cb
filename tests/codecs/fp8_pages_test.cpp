// Runs of floats become codes of eight bits, and back, as each by itself does, on every kind of vector unit.

#include "codecs/kernels/pages/fp8_pages.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/small_floats.hpp"
#include "tests/each_target.hpp"
#include "tests/rounding_floats.hpp"

namespace kvstone {
namespace {

constexpr std::size_t line = cache_line_bytes;

template <class Format>
constexpr Fp8Format format_of() {
    return std::is_same_v<Format, E4M3> ? Fp8Format::e4m3 : Fp8Format::e5m2;
}

/// Wrong codes of `count` values, written `past_line` bytes behind the start of a line, and what was written behind them.
template <class Format>
std::size_t wrong_codes(float const* values, std::size_t count, float factor, std::size_t past_line, bool streaming) {
    std::vector<std::uint8_t> memory(count + 3 * line, 0x5a);
    auto* const to = memory.data() + line - reinterpret_cast<std::uintptr_t>(memory.data()) % line + past_line;
    fp8_codes_of(format_of<Format>(), values, count, factor, to, streaming);
    std::size_t differ = to[count] != 0x5a ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) differ += to[i] != small_float_code<Format>(values[i] * factor) ? 1 : 0;
    return differ;
}

template <class Format>
std::size_t wrong_values(std::uint8_t const* codes, std::size_t count, float factor, bool streaming) {
    std::vector<float> memory(count + 2 * line, 3.5F);
    auto* const to = memory.data() + (line - reinterpret_cast<std::uintptr_t>(memory.data()) % line) / sizeof(float);
    fp8_values_of(format_of<Format>(), codes, count, factor, to, streaming);
    std::size_t differ = to[count] != 3.5F ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) {
        float const alone = small_float_value<Format>(codes[i]) * factor;
        differ += Kokkos::bit_cast<std::uint32_t>(to[i]) != Kokkos::bit_cast<std::uint32_t>(alone) ? 1 : 0;
    }
    return differ;
}

template <class Format>
class Fp8Pages : public testing::Test {};
using Fp8Formats = testing::Types<E4M3, E5M2>;
TYPED_TEST_SUITE(Fp8Pages, Fp8Formats);

TYPED_TEST(Fp8Pages, CodesAreAsOneByOneOnEveryTarget) {
    auto const floats = rounding_floats();
    on_each_target([&] {
        for (float const factor : {1.0F, 0.37F, 0x1p120F, 0x1p-120F}) {
            EXPECT_EQ(wrong_codes<TypeParam>(floats.data(), floats.size(), factor, 0, false), 0U) << factor;
            EXPECT_EQ(wrong_codes<TypeParam>(floats.data(), floats.size(), factor, 0, true), 0U) << factor;
        }
        for (std::size_t count = 0; count < 200; ++count) {
            EXPECT_EQ(wrong_codes<TypeParam>(&floats[count * 37], count, 1, count % 3, false), 0U) << count;
        }
    });
}

TYPED_TEST(Fp8Pages, ValuesAreAsOneByOneOnEveryTarget) {
    // Each code in a line that has NaN or Inf, and in one that has none.
    std::vector<std::uint8_t> codes;
    for (unsigned code = 0; code < 256; ++code) {
        for (unsigned i = 0; i < line; ++i)
            codes.push_back(static_cast<std::uint8_t>(i % 7 == 3 ? code : i * 37 & 0xbfU));
        codes.push_back(static_cast<std::uint8_t>(code));
    }
    on_each_target([&] {
        for (float const factor : {1.0F, 0.37F, 0x1p125F, 0x1p-126F}) {
            EXPECT_EQ(wrong_values<TypeParam>(codes.data(), codes.size(), factor, false), 0U) << factor;
            EXPECT_EQ(wrong_values<TypeParam>(codes.data(), codes.size(), factor, true), 0U) << factor;
        }
        for (std::size_t count = 0; count < 200; ++count) {
            EXPECT_EQ(wrong_values<TypeParam>(&codes[count * 37], count, 1, false), 0U) << count;
        }
    });
}

TYPED_TEST(Fp8Pages, WrongRoundingIsNoticed) {
    auto const floats = rounding_floats();
    std::vector<std::uint8_t> codes(floats.size());
    fp8_codes_of(format_of<TypeParam>(), floats.data(), floats.size(), 1, codes.data(), false);
    auto const differing = [&](auto const& other) {
        std::size_t differ = 0;
        for (std::size_t i = 0; i < codes.size(); ++i) {
            differ += codes[i] != small_float_code<TypeParam>(other(floats[i])) ? 1 : 0;
        }
        return differ;
    };
    EXPECT_EQ(differing([](float value) { return value; }), 0U);
    EXPECT_GT(differing([](float value) { return std::nextafter(value, 0.0F); }), 50U) << "ties go up";
    EXPECT_GT(differing([](float value) { return std::nextafter(value, INFINITY); }), 50U) << "ties go down";
    EXPECT_GT(differing([](float value) { return value + 0.0F; }), 0U) << "-0 loses its sign";
}

}  // namespace
}  // namespace kvstone
