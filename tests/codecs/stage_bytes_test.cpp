// The worked examples on the format pages of entropy stages, byte for byte; those of numbers and of quantisers are in
// stage_bytes_floats_test.cpp and stage_bytes_quantisers_test.cpp, the container's own is here. Tests are named STAGE or
// STAGE__WhatElse, which is how `./dev test codec STAGE` finds them.

#include <bit>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

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

}  // namespace
}  // namespace kvstone
