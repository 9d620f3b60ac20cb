// Outliers against a full sort, and the gain for a quantiser without them.

#include <numeric>

#include <gtest/gtest.h>

#include "backends/kernels/sequences.hpp"
#include "codecs/kernels/extremes.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {

/// The threshold of a sequence's three largest values, and the next one. Named and public: nvcc takes no type of a function.
struct ThreeLargest {
    KOKKOS_INLINE_FUNCTION void operator()(Strided<float const> const& values, Strided<float> const& out,
                                           std::uint64_t length, std::uint64_t) const {
        auto const top = largest_values(values, length, length, 3);
        out[0] = top.threshold;
        out[1] = top.next;
    }
};

namespace {

TEST(Outliers, WorkedExample) {
    auto const planes = planes_of("outliers:fraction=0.5 | raw", {1, 1, 1, 4}, {1, -8, 2, 4});
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[0], bytes_of({0x00, 0xc8, 0x00, 0x44}));
    EXPECT_EQ(planes[1], bytes_of({1, 3}));
    EXPECT_EQ(transformed("outliers:fraction=0.5", {1, 1, 1, 4}, {1, -8, 2, 4}), (std::vector<float>{1, 1, 2, 2}));
    EXPECT_EQ(planes_of("outliers:fraction=0.5,values=fp32 | raw", {1, 1, 1, 4}, {1, -8, 2, 4})[0],
              bytes_of({0, 0, 0, 0xc1, 0, 0, 0x80, 0x40}));
}

TEST(Outliers, OfChannelsLieAlongTokens) {
    // Two channels of four tokens.
    std::vector<float> const values{1, 5, -8, 6, 2, 7, 4, 9};
    auto const planes = planes_of("outliers:fraction=0.5,axis=channel | raw", {1, 1, 4, 2}, values);
    EXPECT_EQ(planes[0], bytes_of({0x00, 0xc8, 0x00, 0x44, 0x00, 0x45, 0x80, 0x48}));
    EXPECT_EQ(planes[1], bytes_of({1, 3, 0, 3}));
}

TEST(Outliers, AreCountedAtEachEnd) {
    auto const outliers_of = [](std::string const& fraction, std::uint64_t dim) {
        auto const planes = planes_of("outliers:values=fp32,fraction=" + fraction + " | raw", {1, 1, 1, dim},
                                      std::vector<float>(dim, 1.0F));
        return planes.size() == 3 ? planes[0].size() / sizeof(float) : 0;
    };
    EXPECT_EQ(outliers_of("0.02", 128), 4U) << "1.28 rounded up, at each end";
    EXPECT_EQ(outliers_of("0.02", 100), 2U);
    EXPECT_EQ(outliers_of("0.14", 100), 14U) << "0.14 x 100 is a little above 14";
    EXPECT_EQ(outliers_of("0.02", 3), 2U);
    EXPECT_EQ(outliers_of("0.5", 1), 0U);
    EXPECT_EQ(planes_of("outliers:fraction=0.01 | raw", {1, 1, 1, 256}, std::vector<float>(256))[1].size(), 4U);
    EXPECT_EQ(planes_of("outliers:fraction=0.01 | raw", {1, 1, 1, 257}, std::vector<float>(257))[1].size(), 8U);
    EXPECT_EQ(planes_of("outliers:fraction=0.00001 | raw", {1, 1, 1, 65537}, std::vector<float>(65537))[1].size(), 8U);
}

/// The expected result for a vector, by sorting: its outliers' places and the other values with their fill.
struct Expected {
    std::vector<std::uint64_t> indices;
    std::vector<float> left;
};

Expected by_sorting(std::vector<float> const& x, std::size_t each) {
    std::vector<std::uint64_t> order(x.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](auto i, auto j) { return x[i] > x[j]; });
    std::vector<std::uint64_t> top(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(each));
    std::vector<std::uint64_t> rest(order.begin() + static_cast<std::ptrdiff_t>(each), order.end());
    std::ranges::sort(rest);
    std::ranges::stable_sort(rest, [&](auto i, auto j) { return x[i] < x[j]; });
    Expected expected{top, x};
    auto const stays = rest.size() > each;
    for (auto const i : top) expected.left[i] = stays ? x[rest.back()] : 0;
    for (std::size_t n = 0; n < each; ++n) {
        expected.left[rest[n]] = stays ? x[rest[each]] : 0;
        expected.indices.push_back(rest[n]);
    }
    std::ranges::sort(expected.indices);
    return expected;
}

std::vector<std::vector<float>> awkward_vectors(std::size_t length) {
    std::vector<std::vector<float>> all{normal_values(length), normal_values(length, 2)};
    std::mt19937 random(3);
    all.emplace_back(length, 1.0F);
    all.emplace_back(length, -0.0F);
    auto add = [&](auto const& value) {
        auto& vector = all.emplace_back();
        for (std::size_t i = 0; i < length; ++i) vector.push_back(value(i));
    };
    add([&](std::size_t) { return static_cast<float>(random() % 3); });
    add([&](std::size_t) { return random() % 8 == 0 ? 1e30F : -1e-42F; });
    add([&](std::size_t i) { return static_cast<float>(i); });
    add([&](std::size_t i) { return -static_cast<float>(i); });
    add([&](std::size_t i) { return std::ldexp(1.0F, static_cast<int>(i % 250) - 126); });
    add([&](std::size_t i) { return i % 2 == 0 ? 0.0F : -0.0F; });
    add([&](std::size_t i) { return i % 5 == 0 ? INFINITY : i % 7 == 0 ? -INFINITY : 2.0F; });
    add([&](std::size_t i) { return i % 3 == 0 ? 3.4028235e38F : -3.4028235e38F; });
    return all;
}

TEST(Outliers, AreThoseOfASort) {
    for (std::uint64_t const length : {2, 3, 16, 37, 80, 128, 256, 300}) {
        for (double const fraction : {0.02, 0.1, 0.5}) {
            for (auto const& vector : awkward_vectors(length)) {
                auto const text = "outliers:values=fp32,fraction=" + std::to_string(fraction);
                auto const each = std::min<std::size_t>(
                    length / 2, static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(length) / 2 - 1e-9)));
                auto const expected = by_sorting(vector, each);
                EXPECT_EQ(transformed(text, {1, 1, 1, length}, vector), expected.left) << length << ' ' << fraction;
                EXPECT_EQ(transformed(text + ",axis=channel", {1, 1, length, 1}, vector), expected.left);
                auto const planes = planes_of(text + " | raw", {1, 1, 1, length}, vector);
                std::vector<std::uint64_t> indices;
                for (std::size_t i = 0; i < 2 * each; ++i) {
                    std::uint16_t index = 0;
                    std::memcpy(&index, planes[1].data() + i * (length > 256 ? 2 : 1), length > 256 ? 2 : 1);
                    indices.push_back(index);
                }
                EXPECT_EQ(indices, expected.indices) << length << ' ' << fraction;
                EXPECT_EQ(decoded_after(text, {1, 1, 1, length}, vector, [](auto&) {}), vector);
            }
        }
    }
}

TEST(Outliers, OneThreadASequenceFindsTheSame) {
    KvShape const shape{1, 2, 40, 20};
    auto const values = test_values(shape);
    std::vector<float> out(values.size());
    KvSpan<float const> const in{values.data(), shape, KvStrides::packed(shape)};
    edit_one_by_one(Kokkos::DefaultHostExecutionSpace{}, Sequences(shape, true), in, {out.data(), shape, in.strides},
                    ThreeLargest{});
    for (std::size_t c = 0; c < shape.dim; ++c) {
        std::vector<float> channel;
        for (std::size_t t = 0; t < shape.tokens; ++t) channel.push_back(values[t * shape.dim + c]);
        std::ranges::sort(channel, std::greater{});
        EXPECT_LE(out[c], channel[2]);
        EXPECT_GT(out[c], channel[3]) << "three are from the threshold on";
        EXPECT_EQ(out[shape.dim + c], channel[3]);
    }
}

TEST(Outliers, NanIsTakenLastAndInfFirst) {
    std::vector<float> const values{NAN, 1, INFINITY, 2, NAN, 3, -INFINITY, 4};
    auto const left = transformed("outliers:fraction=0.25", {1, 1, 1, 8}, values);
    EXPECT_TRUE(std::isnan(left[0]) && std::isnan(left[4]));
    EXPECT_EQ(left[2], 4);
    EXPECT_EQ(left[6], 1);
    // Six numbers where eight values are wanted: all are, with the NaN.
    auto const all = planes_of("outliers:fraction=0.5,values=fp32 | raw", {1, 1, 1, 16},
                               {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 1, 2, 3, 4, 5, INFINITY});
    EXPECT_EQ(all[1], bytes_of({0, 1, 10, 11, 12, 13, 14, 15}));
    auto const result = decoded_after("outliers:fraction=0.25", {1, 1, 1, 8}, values, [](auto&) {});
    EXPECT_EQ(result[2], INFINITY);
    EXPECT_EQ(result[6], -INFINITY);
}

TEST(Outliers, BeyondBinary16AreItsLargest) {
    auto const result = decoded_after("outliers:fraction=0.5", {1, 1, 1, 4}, {1e30F, 2, 3, -70000}, [](auto&) {});
    EXPECT_EQ(result, (std::vector<float>{65504, 2, 3, -65504}));
}

TEST(Outliers, MakeStepsFiner) {
    KvShape const shape{1, 1, 512, 128};
    // One value in a hundred ten times as large, anywhere.
    auto values = normal_values(shape.values());
    std::mt19937 random(1);
    for (auto& value : values) value *= random() % 100 == 0 ? 10.0F : 1.0F;
    auto const quantise = [&](std::vector<float>& coded) { quantise_vectors(coded, shape.dim, 4); };
    auto plain = values;
    quantise(plain);
    auto const gain = [&](std::string const& fraction) {
        auto const result = decoded_after("outliers:fraction=" + fraction, shape, values, quantise);
        return relative_energy(values, result) / relative_energy(values, plain);
    };
    std::printf("error with outliers apart: %.3f of that without\n", gain("0.06"));
    EXPECT_LT(gain("0.06"), 0.1);
    EXPECT_GT(gain("0.01"), 0.1) << "one of each end is too few";
}

}  // namespace
}  // namespace kvstone
