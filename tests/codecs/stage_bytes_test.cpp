// The worked examples on the stages' format pages, byte for byte. Tests are named STAGE or STAGE__WhatElse, which is how
// `./dev test codec STAGE` finds them.

#include <bit>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "codecs/kernels/quantile.hpp"
#include "tests/codecs/stored.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

using Bytes = std::vector<std::byte>;

/// Stored planes of f32 values as a [1, 1, 1, n] tensor.
std::vector<Bytes> stored_planes(std::string const& text, std::vector<float> const& values) {
    TestTensor const tensor({1, 1, 1, values.size()}, ElementType::f32, values);
    auto const container = encoded(text, tensor).seal();
    std::vector<Bytes> planes;
    for (auto const& plane : read_container(container).planes)
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    return planes;
}

TEST(StageBytes, raw) {
    EXPECT_EQ(stored_planes("raw", {1.0F, -2.0F}), (std::vector<Bytes>{bytes_of({0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0})}));
}

TEST(StageBytes, fp16) {
    EXPECT_EQ(stored_planes("fp16", {1.0F, -2.0F, 65504.0F, 1e-7F}),
              (std::vector<Bytes>{bytes_of({0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x02, 0x00})}));
}

TEST(StageBytes, bf16) {
    EXPECT_EQ(stored_planes("bf16", {1.0F, -2.0F, 3.1415927F}),
              (std::vector<Bytes>{bytes_of({0x80, 0x3f, 0x00, 0xc0, 0x49, 0x40})}));
}

TEST(StageBytes, fp8) {
    EXPECT_EQ(stored_planes("fp8:format=e4m3", {1.0F, -2.0F, 1000.0F, 0.001F}),
              (std::vector<Bytes>{bytes_of({0x38, 0xc0, 0x7e, 0x01})}));
    EXPECT_EQ(stored_planes("fp8:format=e5m2", {1.0F, -2.0F, 1e6F, 0.00001F}),
              (std::vector<Bytes>{bytes_of({0x3c, 0xc0, 0x7b, 0x01})}));
}

TEST(StageBytes, fp8__OverAScale) {
    EXPECT_EQ(stored_planes("fp8:format=e4m3,scale=tensor", {1.0F, -896.0F}),
              (std::vector<Bytes>{bytes_of({0x30, 0xfe}), bytes_of({0, 0, 0, 0x40})}));
    // Two heads: 28672 / 57344 = 0.5 and 57344 / 57344 = 1.
    TestTensor const tensor({1, 2, 1, 2}, ElementType::f32, std::vector{28672.0F, 1.0F, -57344.0F, 1.0F});
    auto const container = encoded("fp8:format=e5m2,scale=head", tensor).seal();
    auto const planes = read_container(container).planes;
    EXPECT_EQ(Bytes(planes[0].data, planes[0].data + planes[0].bytes), bytes_of({0x7b, 0x40, 0xfb, 0x3c}));
    EXPECT_EQ(Bytes(planes[1].data, planes[1].data + planes[1].bytes), bytes_of({0, 0, 0, 0x3f, 0, 0, 0x80, 0x3f}));
}

/// `head`, then `count` times `byte`.
Bytes followed_by(Bytes head, std::size_t count, int byte) {
    head.insert(head.end(), count, static_cast<std::byte>(byte));
    return head;
}

TEST(StageBytes, q8_0) {
    std::vector<float> values(32, 0.0F);
    values[0] = 127;
    values[1] = -1;
    values[2] = 0.5F;
    values[3] = -0.5F;
    EXPECT_EQ(stored_planes("q8_0", values).at(0), followed_by(bytes_of({0x00, 0x3c, 0x7f, 0xff, 0x01, 0xff}), 28, 0));
}

TEST(StageBytes, q4_0) {
    std::vector<float> values(32, 0.0F);
    values[0] = -8;
    values[1] = 7;
    values[16] = 1;
    EXPECT_EQ(stored_planes("q4_0", values).at(0), followed_by(bytes_of({0x00, 0x3c, 0x90, 0x8f}), 14, 0x88));
}

TEST(StageBytes, q5_1) {
    std::vector<float> values(32, 0.0F);
    values[1] = 31;
    values[2] = 16;
    EXPECT_EQ(stored_planes("q5_1", values).at(0),
              followed_by(bytes_of({0x00, 0x3c, 0x00, 0x00, 0x06, 0, 0, 0, 0x00, 0x0f, 0x00}), 13, 0));
}

TEST(StageBytes, mxfp4) {
    EXPECT_EQ(stored_planes("mxfp4", {1.0F, -6.0F, 0.75F, 0.2F}),
              (std::vector<Bytes>{bytes_of({0xf2, 0x02}), bytes_of({0x7f})}));
}

TEST(StageBytes, mxfp8) {
    EXPECT_EQ(stored_planes("mxfp8", {1.0F, -448.0F}), (std::vector<Bytes>{bytes_of({0x38, 0xfe}), bytes_of({0x7f})}));
    // 57344 = 1.75 x 2^15; a step of 2.
    EXPECT_EQ(stored_planes("mxfp8:format=e5m2", {-114688.0F, 2.0F}),
              (std::vector<Bytes>{bytes_of({0xfb, 0x3c}), bytes_of({0x80})}));
}

TEST(StageBytes, nvfp4) {
    EXPECT_EQ(stored_planes("nvfp4", {2688.0F, -448.0F, 1.0F}),
              (std::vector<Bytes>{bytes_of({0xa7, 0x00}), bytes_of({0x7e}), bytes_of({0, 0, 0x80, 0x3f})}));
}

TEST(StageBytes, blocknorm) {
    EXPECT_EQ(stored_planes("blocknorm:bits=4,block=4,topk=0.25", {1.0F, -8.0F, 7.0F, -3.5F, 2.0F}),
              (std::vector<Bytes>{bytes_of({0x71, 0x0c, 0x07}), bytes_of({0x00, 0x3c, 0x93, 0x34}),
                                  bytes_of({0x00, 0xc8, 0x01})}));
}

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

/// A plane of alternate bytes 7f and 7e, 16 of them.
std::vector<float> alternate_codes() {
    std::vector<float> values(16, 127.0F);
    for (std::size_t i = 1; i < values.size(); i += 2) values[i] = 126;
    return values;
}

TEST(StageBytes, huffman) {
    auto const planes = stored_planes("int8 | huffman", alternate_codes());
    ASSERT_EQ(planes.size(), 4U);
    EXPECT_EQ(planes[0], bytes_of({0x01, 0x00, 0x01, 0x00, 0xaa, 0x2a}));
    EXPECT_EQ(planes[1], bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0}));
    EXPECT_EQ(planes[2], bytes_of({0x7e, 0x7f, 0x11}));
}

TEST(StageBytes, huffman__StoresWhatDoesNotShrink) {
    auto const planes = stored_planes("int8 | huffman", {1, 2, 127});
    EXPECT_EQ(planes[0], bytes_of({1, 2, 127}));
    EXPECT_EQ(planes[1], bytes_of({3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x80}));
    EXPECT_EQ(planes[2], Bytes());
}

TEST(StageBytes, rans) {
    auto const planes = stored_planes("int8 | rans", alternate_codes());
    ASSERT_EQ(planes.size(), 4U);
    EXPECT_EQ(planes[0], bytes_of({0x55, 0x09, 0x01, 0x00, 0x00, 0x50}));
    EXPECT_EQ(planes[1], bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0}));
    EXPECT_EQ(planes[2], bytes_of({0x7e, 0x7f, 0x0c, 0x00, 0x06, 0x00}));
}

TEST(StageBytes, arithmetic) {
    auto const planes = stored_planes("int8 | arithmetic", std::vector<float>(16, 0.0F));
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[0], bytes_of({0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(planes[1], bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0}));
}

TEST(StageBytes, cabac) {
    auto const planes = stored_planes("int8 | cabac", std::vector<float>(64, 0.0F));
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[0], Bytes(32));
    EXPECT_EQ(planes[1], bytes_of({0x40, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0}));
}

/// 1, -2, 1, -2, ...: 16 values.
std::vector<float> alternate_values() {
    std::vector<float> values(16, 1.0F);
    for (std::size_t i = 1; i < values.size(); i += 2) values[i] = -2;
    return values;
}

TEST(StageBytes, exponent__Fixed4OfBf16) {
    auto const planes = stored_planes("bf16 | exponent:code=fixed4", alternate_values());
    ASSERT_EQ(planes.size(), 4U);
    EXPECT_EQ(planes[0], bytes_of({0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80}));
    EXPECT_EQ(planes[1], Bytes(8, std::byte{0x10}));
    EXPECT_EQ(planes[2], bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0}));
    EXPECT_EQ(planes[3], bytes_of({2, 0x7f, 0x80}));
}

TEST(StageBytes, exponent__Fixed3OfFp16) {
    // 3c00 and c000: exponents 0f and 10; signs and mantissas 000 and 400, low bytes 00, three bits 000 and 100.
    auto const planes = stored_planes("fp16 | exponent:code=fixed3", alternate_values());
    ASSERT_EQ(planes.size(), 4U);
    EXPECT_EQ(planes[0],
              bytes_of({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x08, 0x82, 0x20, 0x08, 0x82}));
    EXPECT_EQ(planes[1], bytes_of({0x08, 0x82, 0x20, 0x08, 0x82, 0x20}));
    EXPECT_EQ(planes[2], bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0}));
    EXPECT_EQ(planes[3], bytes_of({2, 0x0f, 0x10}));
}

TEST(StageBytes, exponent__EscapesFollowTheCodes) {
    // E5M2 1, 2, 4, ... 64 have exponents 0f to 15, and 128 has 16: by equal counts the lowest seven have codes.
    std::vector<float> values;
    for (int i = 0; i < 32; ++i) values.push_back(std::exp2(static_cast<float>(i < 28 ? i % 7 : 7)));
    auto const planes = stored_planes("fp8:format=e5m2 | exponent:code=fixed3", values);
    ASSERT_EQ(planes.size(), 4U);
    EXPECT_EQ(planes[0], Bytes(12)) << "three bits each";
    // 12 bytes of codes and four times five bits are 15 of 20, but the table takes 8: all is stored as it is.
    EXPECT_EQ(planes[1].size(), 20U);
    EXPECT_EQ(planes[3], Bytes());
    values.clear();
    for (int i = 0; i < 64; ++i) values.push_back(std::exp2(static_cast<float>(i < 62 ? i % 7 : 7)));
    auto const longer = stored_planes("fp8:format=e5m2 | exponent:code=fixed3", values);
    // Codes 0, 1, 2, ... begin with 000 001 010, lowest bits first; the last two are 7, their exponents 16 and 16.
    ASSERT_EQ(longer[1].size(), 26U);
    EXPECT_EQ(longer[1][0], std::byte{0x88});
    EXPECT_EQ(longer[1][23] & std::byte{0xfc}, std::byte{0xfc});
    EXPECT_EQ(longer[1][24], std::byte{0xd6}) << "10110 10110";
    EXPECT_EQ(longer[1][25], std::byte{0x02});
    EXPECT_EQ(longer[3], bytes_of({7, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15}));
}

TEST(StageBytes, zstd__StoresWhatDoesNotShrink) {
    // Two bytes cannot shrink.
    auto const planes = stored_planes("fp16 | zstd", {1.0F});
    EXPECT_EQ(planes, (std::vector<Bytes>{bytes_of({2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x80, 0x00, 0x3c})}));
}

TEST(StageBytes, zstd__PiecesAreFramesOfTheirOwn) {
    auto const planes = stored_planes("raw | zstd", std::vector<float>(300000, 0.0F));
    ASSERT_EQ(planes.size(), 1U);
    auto const at = [&](std::size_t i) { return std::to_integer<unsigned>(planes[0][i]); };
    auto const word = [&](std::size_t i) { return at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24; };
    EXPECT_EQ(word(0), 1200000U);
    auto const first = word(8);
    auto const second = word(12);
    EXPECT_EQ(planes[0].size(), 16 + first + second);
    EXPECT_EQ(word(16), 0xfd2fb528U) << "magic number of RFC 8878";
    EXPECT_EQ(word(16 + first), 0xfd2fb528U);
}

TEST(StageBytes, zstd__LiteralsAreHuffmanCodesAlone) {
    // f32 1.0 as bytes: 00 twice, 80, 3f: codes of 1, 2 and 2 bits, 1.5 bits a byte. A coder that looked for what repeats
    // would need a few bytes for all of it.
    std::size_t const bytes = 4 * 16384;
    auto const planes = stored_planes("raw | zstd:mode=literals", std::vector<float>(bytes / 4, 1.0F));
    ASSERT_EQ(planes.size(), 1U);
    EXPECT_GE(planes[0].size(), 12 + bytes * 3 / 16);
    // The table of codes takes at most 128 bytes, headers of frame, block, literals and sequences 14 + 3 + 5 + 1, those of
    // four streams and what fills up their last bytes 6 + 4.
    EXPECT_LE(planes[0].size(), 12 + bytes * 3 / 16 + 128 + 33);
    EXPECT_LT(stored_planes("raw | zstd", std::vector<float>(bytes / 4, 1.0F))[0].size(), 100U);
}

TEST(StageBytes, lz4) {
    auto const planes = stored_planes("raw | lz4", std::vector<float>(8, 0.0F));
    EXPECT_EQ(planes, (std::vector<Bytes>{bytes_of({0x20, 0, 0, 0, 0, 0,    0, 0, 0x0b, 0, 0, 0,  //
                                                    0x1f, 0, 1, 0, 7, 0x50, 0, 0, 0,    0, 0})}));
    EXPECT_EQ(stored_planes("fp16 | lz4", {1.0F}),
              (std::vector<Bytes>{bytes_of({2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x80, 0x00, 0x3c})}));
}

TEST(StageBytes, blosc2) {
    EXPECT_EQ(stored_planes("fp16 | blosc2", {1.0F}),
              (std::vector<Bytes>{bytes_of({2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x80, 0x00, 0x3c})}));
    auto const plane = stored_planes("fp16 | blosc2", std::vector<float>(8192, 1.0F)).at(0);
    EXPECT_LT(plane.size(), 100U);
    auto const part = [&](std::size_t first, std::size_t bytes) {
        return Bytes(plane.begin() + static_cast<std::ptrdiff_t>(first),
                     plane.begin() + static_cast<std::ptrdiff_t>(first + bytes));
    };
    EXPECT_EQ(part(0, 8), bytes_of({0, 0x40, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(part(8, 4), bytes_of({static_cast<int>(plane.size() - 12), 0, 0, 0}));
    EXPECT_EQ(part(15, 1), bytes_of({2})) << "the size of an element";
    EXPECT_EQ(part(16, 4), bytes_of({0, 0x40, 0, 0})) << "bytes of the input";
}

TEST(StageBytes, zfp__ZerosAreOneBit) {
    auto const payload = [](std::string const& text) {
        TestTensor const tensor({1, 1, 4, 4}, ElementType::f32, std::vector<float>(16, 0.0F));
        auto const container = encoded(text, tensor).seal();
        auto const plane = read_container(container).planes.at(0);
        return Bytes(plane.data, plane.data + plane.bytes);
    };
    EXPECT_EQ(payload("zfp:rate=8"), Bytes(16, std::byte{0}));
    EXPECT_EQ(payload("zfp:mode=reversible"), bytes_of({0x40, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(StageBytes, gear__CutsBytesFieldsAndBits) {
    std::vector<float> const values{1.0F, -2.0F};  // 3c00 and c000
    EXPECT_EQ(stored_planes("fp16 | gear", values), (std::vector<Bytes>{bytes_of({0x3c, 0xc0}), bytes_of({0, 0})}));
    EXPECT_EQ(stored_planes("fp16 | gear:planes=hi6lo10", values),
              (std::vector<Bytes>{bytes_of({0x0f, 0x30}), bytes_of({0, 0, 0})}));
    EXPECT_EQ(stored_planes("fp16 | gear:planes=exponent", values),
              (std::vector<Bytes>{bytes_of({0x0f, 0x10}), bytes_of({0, 0, 0x20})}));
    std::vector<Bytes> bits(16, bytes_of({0}));
    bits[0] = bits[1] = bytes_of({2});
    bits[2] = bits[3] = bits[4] = bits[5] = bytes_of({1});
    EXPECT_EQ(stored_planes("fp16 | gear:planes=bits", values), bits);
}

TEST(StageBytes, gear__OfOtherNumbers) {
    // 3f800000 and c1234567, in planes from the highest byte on.
    std::vector<float> const values{1.0F, std::bit_cast<float>(0xc1234567U)};
    EXPECT_EQ(stored_planes("raw | gear", values), (std::vector<Bytes>{bytes_of({0x3f, 0xc1}), bytes_of({0x80, 0x23}),
                                                                       bytes_of({0, 0x45}), bytes_of({0, 0x67})}));
    // Exponents 7f and 82; sign and mantissa 0 and a34567, three bytes each.
    EXPECT_EQ(stored_planes("raw | gear:planes=exponent", values),
              (std::vector<Bytes>{bytes_of({0x7f, 0x82}), bytes_of({0, 0, 0, 0x67, 0x45, 0xa3})}));
    // bf16 3f80 and c123: signs and mantissas 00 and a3.
    EXPECT_EQ(stored_planes("bf16 | gear:planes=exponent", values),
              (std::vector<Bytes>{bytes_of({0x7f, 0x82}), bytes_of({0x00, 0xa3})}));
    // e4m3 1.0 and -2.0 are 38 and c0: exponents 7 and 8, sign and mantissa 0 and 8, four bits each.
    EXPECT_EQ(stored_planes("fp8:format=e4m3 | gear:planes=exponent", {1.0F, -2.0F}),
              (std::vector<Bytes>{bytes_of({7, 8}), bytes_of({0x80})}));
    // e5m2 3c and c0: exponents 15 and 16, sign and mantissa 0 and 4, three bits each.
    EXPECT_EQ(stored_planes("fp8:format=e5m2 | gear:planes=exponent", {1.0F, -2.0F}),
              (std::vector<Bytes>{bytes_of({15, 16}), bytes_of({0x20})}));
}

TEST(StageBytes, gear__FieldsThatDoNotShrinkArePacked) {
    // lz4 has no codes shorter than a byte.
    auto const planes = stored_planes("fp16 | gear:planes=exponent | lz4", {1.0F, -2.0F, 1.0F, -2.0F});
    ASSERT_EQ(planes.size(), 2U);
    // 0f 10 0f 10, five bits each: 0f + (10 << 5) + (0f << 10) + (10 << 15) = 083e0f.
    EXPECT_EQ(planes[0], bytes_of({4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x80, 0x0f, 0x3e, 0x08}));
}

TEST(StageBytes, delta__AlongTokensAndChannels) {
    // Two heads of two tokens of two channels; fp16 3c00 4000 | 4200 4400 and 4000 4000 | 3c00 3c00.
    std::vector const values{1.0F, 2.0F, 3.0F, 4.0F, 2.0F, 2.0F, 1.0F, 1.0F};
    TestTensor const tensor({1, 2, 2, 2}, ElementType::f32, values);
    auto const payload = [&](std::string const& text) {
        auto const container = encoded(text, tensor).seal();
        auto const plane = read_container(container).planes.at(0);
        return Bytes(plane.data, plane.data + plane.bytes);
    };
    EXPECT_EQ(payload("fp16 | delta"),
              bytes_of({0, 0x3c, 0, 0x40, 0, 0x06, 0, 0x04, 0, 0x40, 0, 0x40, 0, 0xfc, 0, 0xfc}));
    EXPECT_EQ(payload("fp16 | delta:along=channels"),
              bytes_of({0, 0x3c, 0, 0x04, 0, 0x42, 0, 0x02, 0, 0x40, 0, 0, 0, 0x3c, 0, 0}));
    EXPECT_EQ(payload("fp16 | delta:by=xor"),
              bytes_of({0, 0x3c, 0, 0x40, 0, 0x7e, 0, 0x04, 0, 0x40, 0, 0x40, 0, 0x7c, 0, 0x7c}));
    EXPECT_EQ(payload("fp16 | delta:along=channels,by=xor"),
              bytes_of({0, 0x3c, 0, 0x7c, 0, 0x42, 0, 0x06, 0, 0x40, 0, 0, 0, 0x3c, 0, 0}));
    // Behind gear on the high bytes, modulo 2^8.
    EXPECT_EQ(payload("fp16 | gear | delta"), bytes_of({0x3c, 0x40, 0x06, 0x04, 0x40, 0x40, 0xfc, 0xfc}));
}

TEST(StageBytes, delta__OfExponentsStaysWithinTheirBits) {
    // 2.0 and 1.0 in eight channels: exponents 10 and 0f, and 0f - 10 modulo 2^5.
    std::vector<float> values(16, 2.0F);
    std::fill_n(values.begin() + 8, 8, 1.0F);
    TestTensor const tensor({1, 1, 2, 8}, ElementType::f32, values);
    auto const container = encoded("fp16 | gear:planes=exponent | delta", tensor).seal();
    auto const plane = read_container(container).planes.at(0);
    EXPECT_EQ(Bytes(plane.data, plane.data + plane.bytes), followed_by(followed_by({}, 8, 0x10), 8, 0x1f));
}

TEST(Container, WorkedExample) {
    TestTensor const tensor({1, 1, 1, 1}, ElementType::f32, std::vector{1.0F});
    auto container = encoded("fp16", tensor).seal();
    auto expected =
        bytes_of({0x4b, 0x56, 0x73, 0x74, 0x6f, 0x6e, 0x65, 0x00, 1,    0,    0,    0,    0x68, 0,    0, 0, 0x70, 0, 0,
                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0,    4, 0,
                  0,    0,    1,    0,    0,    0,    0,    0,    0,    0,    1,    0,    0,    0,    0, 0, 0,    0, 1,
                  0,    0,    0,    0,    0,    0,    0,    1,    0,    0,    0,    0,    0,    0,    0, 6, 0,    0, 0,
                  1,    0,    0,    0,    0x66, 0x70, 0x31, 0x36, 0x66, 0x70, 0x31, 0x36, 0x3d, 0x31, 0, 0, 0,    0, 0,
                  0,    2,    0,    0,    0,    0,    0,    0,    0,    0x00, 0x3c, 0,    0,    0,    0, 0, 0});
    ASSERT_EQ(container.size(), 112U);
    std::fill_n(container.begin() + 24, 8, std::byte{0});
    EXPECT_EQ(container, expected);
}

TEST(Quantile, IsTheExactOrderStatistic) {
    KvShape const shape{2, 3, 50, 80};
    auto values = test_values(shape);
    values[17] = NAN;
    values[18] = INFINITY;
    values[19] = -INFINITY;
    values[20] = -0.0F;
    values[21] = 1e-42F;
    TestTensor const tensor(shape, ElementType::f32, values, true);
    auto const span = read_only(tensor.view().as<float>());
    Buffer const workspace(BackendKind::openmp, QuantileFinder::workspace_bytes());
    QuantileFinder const finder(workspace.data());
    Kokkos::DefaultHostExecutionSpace const space;
    for (double const p : {0.0, 0.0001, 0.25, 0.5, 0.9, 0.999, 0.9999, 1.0}) {
        std::vector<float> numbers;
        std::vector<float> magnitudes;
        for (auto const value : values) {
            if (!std::isfinite(value)) continue;
            numbers.push_back(value);
            magnitudes.push_back(std::fabs(value));
        }
        auto const rank = std::max(1.0, std::ceil(p * static_cast<double>(numbers.size())));
        auto const middle = static_cast<std::ptrdiff_t>(rank) - 1;
        std::nth_element(numbers.begin(), numbers.begin() + middle, numbers.end());
        std::nth_element(magnitudes.begin(), magnitudes.begin() + middle, magnitudes.end());
        EXPECT_EQ(finder.find(space, span, Signed{}, p), numbers[static_cast<std::size_t>(middle)]) << p;
        EXPECT_EQ(finder.find(space, span, Magnitude{}, p), magnitudes[static_cast<std::size_t>(middle)]) << p;
    }
}

}  // namespace
}  // namespace kvstone
