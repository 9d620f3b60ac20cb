// The binary range coder of `arithmetic` and `cabac`: what it spends, lanes side by side against one at a time, broken blocks.

#include "codecs/kernels/binary_coder.hpp"

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// log2 of the probability that the KT estimator gives a sequence of `zeros` and `ones`:
/// gamma(zeros + 1/2) gamma(ones + 1/2) / (pi gamma(zeros + ones + 1)).
double kt_log2(double zeros, double ones) {
    return (std::lgamma(zeros + 0.5) + std::lgamma(ones + 0.5) - std::lgamma(zeros + ones + 1)) / std::log(2.0) -
           std::log2(M_PI);
}

TEST(BinaryCoder, SpendsWhatItsEstimatorPredicts) {
    // Below 1022 bits a context nothing fades.
    std::mt19937 random(3);
    std::vector<std::uint8_t> bytes(1000);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 16 * (random() % 3));
    std::array<std::array<double, 2>, 256> bits{};
    for (auto const byte : bytes) {
        std::uint32_t node = 1;
        for (int i = 7; i >= 0; --i) {
            auto const bit = byte >> i & 1U;
            ++bits[node][bit];
            node = node << 1 | bit;
        }
    }
    double expected = 0;
    for (auto const& [zeros, ones] : bits) expected -= zeros + ones > 0 ? kt_log2(zeros, ones) : 0;
    BinaryCoder<KtContext> const coder(TreeChoice{});
    std::vector<std::byte> memory(coder.tables_bytes());
    std::vector<std::byte> scratch(coder.scratch_bytes(bytes.size()));
    std::vector<std::byte> coded(2000);
    auto const size =
        coder.encode(memory.data(), {bytes.data(), bytes.size(), 0}, coded.data(), coded.size(), scratch.data());
    // Four bytes end the lane, of which the range, up to 2^32, was 8 to 32 bits; probabilities of 2^-11 at the least cost 1000
    // bits that never change 2^-11 / ln 2 each.
    EXPECT_GE(8.0 * static_cast<double>(size), expected);
    EXPECT_LE(8.0 * static_cast<double>(size), expected + 32 + 8 * 1000 / 2048 / std::log(2.0) + 8);
    coded.resize(size);
    std::vector<std::uint8_t> result(bytes.size());
    EXPECT_TRUE(coder.decode(memory.data(), coded.data(), size, result.data(), result.size(), 0));
    EXPECT_EQ(result, bytes);
}

template <class Context>
void expect_binary_refusals(std::size_t count, TreeChoice const& choice) {
    std::mt19937 random(7);
    std::vector<std::uint8_t> bytes(count);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 12 << 4);
    BinaryCoder<Context> const coder(choice);
    std::vector<std::byte> memory(coder.tables_bytes());
    std::vector<std::byte> scratch(coder.scratch_bytes(count));
    std::vector<std::byte> coded(2 * count);
    auto const size = coder.encode(memory.data(), {bytes.data(), count, 0}, coded.data(), coded.size(), scratch.data());
    ASSERT_GT(size, 0U);
    std::vector<std::uint8_t> result(count);
    auto const decodes = [&](std::vector<std::byte> const& block) {
        return coder.decode(memory.data(), block.data(), block.size(), result.data(), count, 0) && result == bytes;
    };
    coded.resize(size);
    EXPECT_TRUE(decodes(coded));
    for (std::size_t length = 0; length < size; length += 1 + size / 97) {
        EXPECT_FALSE(decodes({coded.begin(), coded.begin() + static_cast<std::ptrdiff_t>(length)})) << length;
    }
    for (std::size_t i = 0; i < size; i += 1 + size / 97) {
        auto altered = coded;
        altered[i] ^= std::byte{0x04};
        EXPECT_FALSE(decodes(altered)) << "byte " << i;
    }
}

TEST(BinaryCoder, BrokenBlocksAreRefused) {
    for (std::size_t const count : {50, 4095, 4096, 9999, 65536, 70001}) {
        expect_binary_refusals<KtContext>(count, {});
        expect_binary_refusals<ShiftContext>(count, {2, 0});
        expect_binary_refusals<ShiftContext>(count, {1, 100});
    }
}

TEST(BinaryLanes, VectorsDoWhatOneLaneDoes) {
    std::mt19937 random(9);
    std::vector<std::uint32_t> probabilities(3 * 256);
    for (auto& probability : probabilities)
        probability = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % 2 * 0xffff : random() % 0x10000);
    constexpr std::size_t groups = 500;
    constexpr std::size_t lane_bytes = 11 * groups + lane_room;
    LaneContexts contexts{probabilities.data(), {}};
    std::vector<std::uint8_t> symbols(groups * most_coder_lanes);
    for (auto& symbol : symbols) symbol = static_cast<std::uint8_t>(random() % 5 == 0 ? random() : 0xff);
    BinaryLanes start;
    start.range.fill(0xffffffffU);
    for (std::uint32_t lane = 0; lane < most_coder_lanes; ++lane)
        start.place[lane] = static_cast<std::uint32_t>(lane * lane_bytes);
    auto vectors = start;
    auto single = start;
    std::vector<std::byte> by_vectors(lane_bytes * most_coder_lanes);
    auto by_one = by_vectors;
    auto const choose_trees = [&](std::size_t group) {
        for (std::size_t lane = 0; lane < most_coder_lanes; ++lane)
            contexts.trees[lane] = static_cast<std::uint32_t>((group + lane) % 3 * 256);
    };
    for (std::size_t group = 0; group < groups; ++group) {
        choose_trees(group);
        auto const* const from = symbols.data() + group * most_coder_lanes;
        encode_lanes(contexts, from, by_vectors.data(), vectors);
        for (std::size_t lane = 0; lane < most_coder_lanes; ++lane)
            encode_in_lane(contexts, from[lane], by_one.data(), single, lane);
        ASSERT_EQ(vectors.range, single.range) << group;
        ASSERT_EQ(vectors.value, single.value) << group;
        ASSERT_EQ(vectors.place, single.place) << group;
    }
    for (std::size_t lane = 0; lane < most_coder_lanes; ++lane) {
        for (auto place = start.place[lane]; place < single.place[lane]; ++place)
            ASSERT_EQ(by_vectors[place], by_one[place]) << lane;
        for (unsigned i = 0; i < 4; ++i)
            by_one[single.place[lane] + i] = static_cast<std::byte>(single.value[lane] >> (24 - 8 * i));
        start.end[lane] = single.place[lane] + 4;
        start.value[lane] = 0;
        for (unsigned i = 0; i < 4; ++i)
            start.value[lane] = start.value[lane] << 8 | std::to_integer<std::uint32_t>(by_one[start.place[lane]++]);
    }
    vectors = single = start;
    std::size_t alone = 0;
    for (std::size_t group = 0; group < groups; ++group) {
        choose_trees(group);
        std::array<std::uint8_t, most_coder_lanes> decoded{};
        for (std::size_t lane = 0; lane < most_coder_lanes; ++lane) {
            decoded[lane] = decode_in_lane(contexts, by_one.data(), single, lane);
            ASSERT_EQ(decoded[lane], symbols[group * most_coder_lanes + lane]) << group << ' ' << lane;
        }
        auto const before = vectors;
        if (!decode_lanes(contexts, by_one.data(), decoded.data(), vectors)) {
            ++alone;
            vectors = single;
            continue;
        }
        ASSERT_THAT(decoded, testing::ElementsAreArray(symbols.data() + group * most_coder_lanes, most_coder_lanes));
        ASSERT_EQ(vectors.range, single.range) << group;
        ASSERT_EQ(vectors.value, single.value) << group;
        ASSERT_EQ(vectors.place, single.place) << group;
        for (std::size_t lane = 0; lane < most_coder_lanes; ++lane)
            ASSERT_GE(before.end[lane] - before.place[lane], lane_bytes_ahead);
    }
    EXPECT_FALSE(single.missing);
    EXPECT_THAT(alone, testing::AllOf(testing::Gt(0U), testing::Lt(groups / 2)));
}

TEST(BinaryCoder, CarriesReachBytesThatWait) {
    // Ones after rare zeros push low up against ff ff ...: whatever comes must come back.
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        std::vector<std::uint8_t> bytes(300);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 40 == 0 ? random() : 0xff);
        BinaryCoder<ShiftContext> const coder(TreeChoice{});
        std::vector<std::byte> memory(coder.tables_bytes());
        std::vector<std::byte> scratch(coder.scratch_bytes(bytes.size()));
        std::vector<std::byte> coded(1000);
        auto const size =
            coder.encode(memory.data(), {bytes.data(), bytes.size(), 0}, coded.data(), coded.size(), scratch.data());
        std::vector<std::uint8_t> result(bytes.size());
        ASSERT_TRUE(coder.decode(memory.data(), coded.data(), size, result.data(), result.size(), 0)) << seed;
        ASSERT_EQ(result, bytes) << seed;
    }
}

}  // namespace
}  // namespace kvstone
