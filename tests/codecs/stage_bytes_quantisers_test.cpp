// The worked examples on the format pages of the other quantisers and of transforms, byte for byte. Tests are named STAGE
// or STAGE__WhatElse, which is how `./dev test codec STAGE` finds them.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

TEST(StageBytes, exl3__DecodesItsExample) {
    // H (1, 2, 3, 4) / 2 = (5, -1, -2, 0); codes 3, 1, 1, 2.
    std::vector<float> const values{1, 2, 3, 4};
    EXPECT_EQ(stored_planes("exl3:bits=2", values), (std::vector<Bytes>{bytes_of({0x97}), bytes_of({0x00, 0x45})}));
    // 5 (3, -1, -1, 1) / 4, and H of it / 2.
    TestTensor const tensor({1, 1, 1, 4}, ElementType::f32, values);
    EXPECT_EQ(decoded(encoded("exl3:bits=2", tensor), {1, 1, 1, 4}, ElementType::f32).values(),
              (std::vector<float>{1.25F, 1.25F, 1.25F, 3.75F}));
}

TEST(StageBytes, exl3__BlocksAreThirtyTwoAndWhatIsLeft) {
    // 35 = 32 + 2 + 1. An even vector has one coordinate: 32 / sqrt(32) = 5.657, as binary16 05a8 above 4000.
    std::vector<float> values(35, 1.0F);
    values[34] = -2;
    auto const planes = stored_planes("exl3:bits=8", values);
    // 255 for the coordinate, 128 for a 0; 255 for a vector of one is its own magnitude, 0 the opposite.
    auto codes = followed_by(bytes_of({0xff}), 31, 0x80);
    for (auto const code : bytes_of({0xff, 0x80, 0x00})) codes.push_back(code);
    EXPECT_EQ(planes, (std::vector<Bytes>{codes, bytes_of({0xa8, 0x45, 0xa8, 0x3d, 0x00, 0x40})}));
}

/// Without bits that follow from a random matrix: zeros are not negative, and a vector and its negative have opposite signs.
TEST(StageBytes, qjl) {
    EXPECT_EQ(stored_planes("qjl:sketch=2", {0, 0, 0, 0}), (std::vector<Bytes>{bytes_of({0xff}), bytes_of({0, 0})}));
    auto const one = stored_planes("qjl:sketch=4,matrix=orthogonal", {0, -3, 4, 0});
    auto const other = stored_planes("qjl:sketch=4,matrix=orthogonal", {0, 3, -4, 0});
    EXPECT_EQ(one.at(1), bytes_of({0x00, 0x45}));
    ASSERT_EQ(one.at(0).size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(one[0][i] ^ other.at(0).at(i), std::byte{0xff});
}

TEST(StageBytes, turboquant_prod) {
    // Levels of one bit are +-.7979; a residual of .2021 four times has the norm .4042, as binary16 3678.
    auto const planes = stored_planes("turboquant_prod:bits=2", {1, 1, 1, -1});
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[0], bytes_of({0x07}));
    EXPECT_EQ(planes[1].size(), 1U) << "8 rows, more than 4 values";
    EXPECT_EQ(planes[2], bytes_of({0x00, 0x40, 0x78, 0x36}));
    EXPECT_EQ(stored_planes("turboquant_prod:bits=2", {0, 0}),
              (std::vector<Bytes>{bytes_of({0x00}), bytes_of({0xff}), bytes_of({0, 0, 0, 0})}));
}

TEST(StageBytes, higgs) {
    // (12, 5) sqrt(2) / 13 = (1.3054, .5439) is nearest to (6944, 3203) / 4096 = (1.6953, .7820).
    EXPECT_EQ(stored_planes("higgs:bits=2", {12, 5}), (std::vector<Bytes>{bytes_of({0x0e}), bytes_of({0x80, 0x4a})}));
    // A third value is a pair with 0: all are 3 sqrt(3) / 3 = 1.7321 from 0, and (1.7321, 0) is nearest to number 15,
    // (7946, -2057) / 4096; the pair of zeros to number 8, (7, -6) / 4096.
    EXPECT_EQ(stored_planes("higgs:bits=2", {0, 0, 3}), (std::vector<Bytes>{bytes_of({0xf8}), bytes_of({0, 0x42})}));
}

TEST(StageBytes, cq) {
    // From (1, 2) and (5, 6) to (1, 3) and (5, 6).
    auto const planes = planes_of("cq:channels=2,bits=1", {1, 1, 3, 2}, {1, 2, 5, 6, 1, 4});
    EXPECT_EQ(planes, (std::vector<Bytes>{bytes_of({0x00, 0x01, 0x00}),
                                          bytes_of({0x00, 0x3c, 0x00, 0x45, 0x00, 0x42, 0x00, 0x46})}));
    // A third channel is a group of its own; one token has one point.
    EXPECT_EQ(planes_of("cq:channels=2,bits=4", {1, 1, 1, 3}, {1, 2, 4}),
              (std::vector<Bytes>{bytes_of({0x00}), bytes_of({0x00, 0x3c, 0x00, 0x40, 0x00, 0x44})}));
}

TEST(StageBytes, cachegen) {
    EXPECT_EQ(planes_of("cachegen:bins=16", {1, 2, 1, 2}, {7, -3.4F, 0.6F, 0}),
              (std::vector<Bytes>{bytes_of({0x0e, 0x04, 0x08, 0x07}), bytes_of({0x00, 0x47})}));
    // A scale for each layer and token, of both heads: 15, then 30.
    EXPECT_EQ(planes_of("cachegen:bins=32", {1, 2, 2, 1}, {15, 2, -1, -30}),
              (std::vector<Bytes>{bytes_of({0x1e, 0x10, 0x0e, 0x00}), bytes_of({0x80, 0x4b, 0x80, 0x4f})}));
}

TEST(StageBytes, int8__Symmetric) {
    EXPECT_EQ(stored_planes("int8", {1.0F, -2.0F, 0.5F, 127.0F}),
              (std::vector<Bytes>{bytes_of({0x01, 0xfe, 0x00, 0x7f}), bytes_of({0, 0, 0x80, 0x3f})}));
}

TEST(StageBytes, int8__Asymmetric) {
    EXPECT_EQ(stored_planes("int8:scheme=asymmetric", {0.0F, 255.0F, 3.0F}),
              (std::vector<Bytes>{bytes_of({0, 0xff, 3}), bytes_of({0, 0, 0x80, 0x3f}), bytes_of({0, 0, 0, 0})}));
}

TEST(StageBytes, int__ByTokenPacksCodesAndKeepsHalfScales) {
    EXPECT_EQ(stored_planes("int:bits=4,axis=token", {7.0F, -7.0F, 1.0F}),
              (std::vector<Bytes>{bytes_of({0x97, 0x01}), bytes_of({0x00, 0x3c})}));
}

TEST(StageBytes, int__ScalesAsOneByteAreRoundedUp) {
    // 14 / 7 = 2 = 2^(200/8 - 24) exactly; 14.1 / 7 takes the next step of 2^(1/8).
    EXPECT_EQ(stored_planes("int:bits=4,axis=token,scale=log8", {14.0F}).at(1), bytes_of({200}));
    EXPECT_EQ(stored_planes("int:bits=4,axis=token,scale=log8", {14.1F}).at(1), bytes_of({201}));
    EXPECT_EQ(stored_planes("int:bits=4,axis=token,scale=log8", {1e-9F}).at(1), bytes_of({0}));
    EXPECT_EQ(stored_planes("int:bits=4,axis=token,scale=log8", {1e9F}).at(1), bytes_of({255}));
}

TEST(StageBytes, int__ByChannelGroupsTokens) {
    TestTensor const tensor({1, 1, 3, 1}, ElementType::f32, std::vector{1.0F, 8.0F, 5.0F});
    auto const container = encoded("int:bits=3,scheme=asymmetric,axis=channel,group=2", tensor).seal();
    std::vector<Bytes> planes;
    for (auto const& plane : read_container(container).planes)
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    // Tokens 1 and 8 are one group (s = 1, z = 1); 5 alone is another (s = 0, z = 5).
    EXPECT_EQ(planes, (std::vector<Bytes>{bytes_of({0, 7, 0}), bytes_of({0x00, 0x3c, 0, 0}),
                                          bytes_of({0x00, 0x3c, 0x00, 0x45})}));
}

TEST(StageBytes, int8__ClipTakesTheRangeFromTheQuantile) {
    std::vector<float> values;
    for (int i = 1; i <= 1000; ++i) values.push_back(static_cast<float>(i == 1000 ? 1e6 : i * 0.127));
    // ceil(0.99 x 1000) = 990: the 990th smallest magnitude, 125.73, is the end of the range.
    auto const planes = stored_planes("int8:clip=0.99", values);
    float scale = 0;
    std::memcpy(&scale, planes[1].data(), sizeof(scale));
    EXPECT_EQ(scale, static_cast<float>(990 * 0.127) / 127.0F);
    EXPECT_EQ(planes[0].back(), std::byte{0x7f});
}

TEST(StageBytes, int8__SamplesAreEvenlySpaced) {
    std::vector<float> values(10, 1000.0F);
    // floor(i 10 / 4) = 0, 2, 5, 7.
    values[0] = 1;
    values[2] = -127;
    values[5] = 3;
    values[7] = 4;
    auto const planes = stored_planes("int8:samples=4", values);
    EXPECT_EQ(planes[1], bytes_of({0, 0, 0x80, 0x3f}));
    EXPECT_EQ(planes[0], bytes_of({1, 0x7f, 0x81, 0x7f, 0x7f, 3, 0x7f, 4, 0x7f, 0x7f}));
}

TEST(StageBytes, bitalloc) {
    // 16 bits a value are 64: eight for four codes of int2 and 32 for shift and scale do it exactly.
    EXPECT_EQ(stored_planes("bitalloc:bits=16", {0.0F, 1.0F, 2.0F, 3.0F}),
              (std::vector<Bytes>{bytes_of({0xe4}), bytes_of({0x00, 0x00, 0x00, 0x3c}), bytes_of({0x01, 0x00, 0x01})}));
    // Of 20 components 16 in int4 take 96 bits, and nothing is left for the rest: types 2 and 0 of sizes 16.
    std::vector<float> values(20, 0.25F);
    for (std::size_t i = 0; i < 16; ++i) values[i] = static_cast<float>(i);
    auto const planes = stored_planes("bitalloc:bits=4.9", values);
    EXPECT_EQ(planes.at(0), bytes_of({0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}));
    EXPECT_EQ(planes.at(2), bytes_of({0x02, 0x00, 0x02, 0x00}));
}

TEST(StageBytes, bitalloc__SinglesAreGroupsAnywhere) {
    // Of 68 bits each of the two values that are not 0 takes 34, and comes back. 16 components in int2 take 64, but their steps
    // of 2.5 would miss the 2.
    std::vector<float> values(20, 0.0F);
    values[3] = 7.5F;
    values[5] = 2.0F;
    auto const planes = stored_planes("bitalloc:bits=3.4,singles=yes", values);
    // Groups of 16, 64, 256, 1024, 1 are numbers 0 to 4; codes are 0.
    EXPECT_EQ(planes.at(0), bytes_of({0}));
    EXPECT_EQ(planes.at(1), bytes_of({0x80, 0x47, 0, 0, 0x00, 0x40, 0, 0}));
    auto const& table = planes.at(2);
    std::vector<std::byte> singles;
    std::size_t covered = 0;
    for (std::size_t i = 2; i < table.size(); ++i) {
        auto const number = std::to_integer<std::size_t>(table[i]);
        std::size_t const sizes[] = {16, 64, 256, 1024, 1};
        if (number % 4 != 0) {
            EXPECT_EQ(number, 4U * 4 + 1) << "one component in int2";
            EXPECT_TRUE(covered == 3 || covered == 5) << covered;
            singles.push_back(table[i]);
        }
        covered += std::min(sizes[number / 4], 20 - covered);
    }
    EXPECT_EQ(covered, 20U);
    EXPECT_EQ(singles.size(), 2U);
    // Without them 62 bits are too few for the 16 components that have something.
    EXPECT_EQ(stored_planes("bitalloc:bits=3.1", values).at(1), Bytes{});
}

TEST(StageBytes, int_lowrank) {
    // Steps of 3 and 4 leave .75 and 1 of the second channel: directions (.6, .8) and 1.25 of it.
    TestTensor const tensor({1, 1, 2, 4}, ElementType::f32,
                            std::vector{0.0F, 3.75F, 6.0F, 9.0F, 0.0F, 5.0F, 8.0F, 12.0F});
    auto const container = encoded("int_lowrank:bits=2,axis=token,rank=1", tensor).seal();
    std::vector<Bytes> planes;
    for (auto const& plane : read_container(container).planes)
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    EXPECT_EQ(planes,
              (std::vector<Bytes>{bytes_of({0xe4, 0xe4}), bytes_of({0x00, 0x42, 0x00, 0x44}), bytes_of({0, 0, 0, 0}),
                                  bytes_of({0xcd, 0x38, 0x66, 0x3a}), bytes_of({0, 0, 0x00, 0x3d, 0, 0, 0, 0})}));
    EXPECT_EQ(read_container(container).planes[3].line, LedgerLine::codebooks);
    // 3 + 1.25 x .60009765625 and 4 + 1.25 x .7998046875.
    auto const back = decoded(encoded("int_lowrank:bits=2,axis=token,rank=1", tensor), {1, 1, 2, 4}, ElementType::f32);
    EXPECT_EQ(back.values(), (std::vector{0.0F, 3.7501220703125F, 6.0F, 9.0F, 0.0F, 4.999755859375F, 8.0F, 12.0F}));
}

TEST(StageBytes, lowrank) {
    // Tokens (3, 4) and (6, 8) lie on the axis (.6, .8).
    TestTensor const tensor({1, 1, 2, 2}, ElementType::f32, std::vector{3.0F, 4.0F, 6.0F, 8.0F});
    auto const container = encoded("lowrank:rank=1,basis=prompt | raw", tensor).seal();
    auto const planes = read_container(container).planes;
    ASSERT_EQ(planes.size(), 2U);
    EXPECT_EQ(planes[0].line, LedgerLine::codebooks);
    EXPECT_EQ(Bytes(planes[0].data, planes[0].data + planes[0].bytes), bytes_of({0xcd, 0x38, 0x66, 0x3a}));
    // 4.99951171875 and 9.9990234375.
    EXPECT_EQ(Bytes(planes[1].data, planes[1].data + planes[1].bytes),
              bytes_of({0x00, 0xfc, 0x9f, 0x40, 0x00, 0xfc, 0x1f, 0x41}));
}

TEST(StageBytes, lloydmax__ScalesByNormOrRms) {
    auto const codes = bytes_of({0x3f});
    EXPECT_EQ(stored_planes("lloydmax:bits=2", {1, 1, 1, -1}), (std::vector<Bytes>{codes, bytes_of({0x00, 0x40})}));
    // 2 x 2 / (2 x 1.5104) = 1.3242 and 2 x 4 / (4 x 1.5104), which is the same.
    auto const corrected = bytes_of({0x4c, 0x3d});
    EXPECT_EQ(stored_planes("lloydmax:bits=2,norm=matched", {1, 1, 1, -1}), (std::vector<Bytes>{codes, corrected}));
    EXPECT_EQ(stored_planes("lloydmax:bits=2,norm=eden", {1, 1, 1, -1}), (std::vector<Bytes>{codes, corrected}));
    EXPECT_EQ(stored_planes("lloydmax:bits=2,scale=tensor", {2, 2, 2, -2}),
              (std::vector<Bytes>{codes, bytes_of({0, 0, 0, 0x40})}));
    // Zeros have the code below zero, and a norm of nothing.
    EXPECT_EQ(stored_planes("lloydmax:bits=8", {0, 0}), (std::vector<Bytes>{bytes_of({127, 127}), bytes_of({0, 0})}));
}

TEST(StageBytes, nf4__PacksTwoCodesAndCodesScales) {
    auto const codes = bytes_of({0x0f, 0x7c});
    std::vector<float> const values{1, -1, 0.5F, 0};
    EXPECT_EQ(stored_planes("nf4", values),
              (std::vector<Bytes>{codes, bytes_of({0xff}), bytes_of({0x81, 0x80, 0x80, 0x3b})}));
    EXPECT_EQ(stored_planes("nf4:scale=fp32", values), (std::vector<Bytes>{codes, bytes_of({0, 0, 0x80, 0x3f})}));
    EXPECT_EQ(stored_planes("nf4:scale=fp16", values), (std::vector<Bytes>{codes, bytes_of({0x00, 0x3c})}));
    EXPECT_EQ(stored_planes("nf4:scale=log8", values), (std::vector<Bytes>{codes, bytes_of({0xc0})}));
}

TEST(StageBytes, nf4__CodesScalesOf256BlocksTogether) {
    // 65 values are two blocks: 128 tokens make a superblock, the 129th token starts another one.
    std::vector<float> values(129 * 65);
    for (std::size_t token = 0; token < 129; ++token) values[token * 65] = token == 0 ? 51 : token == 128 ? 2 : 10;
    TestTensor const tensor({1, 1, 129, 65}, ElementType::f32, values);
    auto const container = encoded("nf4", tensor).seal();
    std::vector<Bytes> planes;
    for (auto const& plane : read_container(container).planes)
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[0].size(), 129U * 33);
    std::vector<std::byte> scales;
    for (int token = 0; token < 129; ++token) {
        // 10 / (51 / 255) = 50; the blocks of one zero each have 0.
        scales.push_back(static_cast<std::byte>(token == 0 || token == 128 ? 255 : 50));
        scales.push_back(std::byte{0});
    }
    EXPECT_EQ(planes[1], scales);
    float steps[2];
    ASSERT_EQ(planes[2].size(), sizeof(steps));
    std::memcpy(steps, planes[2].data(), sizeof(steps));
    EXPECT_EQ(steps[0], 51.0F / 255);
    EXPECT_EQ(steps[1], 2.0F / 255);
}

TEST(StageBytes, nuq__StoresItsLevels) {
    // -2047, -683, 683 and 2047 over 2048; z = s = 4.5.
    auto const levels = bytes_of({0, 0xe0, 0x7f, 0xbf, 0, 0xc0, 0xaa, 0xbe, 0, 0xc0, 0xaa, 0x3e, 0, 0xe0, 0x7f, 0x3f});
    std::vector<Bytes> const expected{bytes_of({0xe4}), bytes_of({0x80, 0x44}), bytes_of({0x80, 0x44}), levels};
    EXPECT_EQ(stored_planes("nuq:bits=2,axis=token", {0, 3, 6, 9}), expected);
    EXPECT_EQ(stored_planes("nuq:bits=2", {0, 3, 6, 9}), expected);
    // Channels of one token have no width.
    EXPECT_EQ(stored_planes("nuq:bits=2,axis=channel", {0, 3}).at(2), bytes_of({0, 0, 0x00, 0x42}));
}

}  // namespace
}  // namespace kvstone
