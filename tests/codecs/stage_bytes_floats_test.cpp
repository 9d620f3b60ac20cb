// The worked examples on the format pages of stages that store numbers of few bits, alone or in blocks, byte for byte.
// Tests are named STAGE or STAGE__WhatElse, which is how `./dev test codec STAGE` finds them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

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

}  // namespace
}  // namespace kvstone
