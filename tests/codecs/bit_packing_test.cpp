#include "codecs/kernels/bit_packing.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

template <class Code>
std::vector<std::byte> packed(unsigned bits, std::vector<Code> const& codes) {
    // A guard behind the row shows a write beyond it.
    auto const bytes = packed_bytes(codes.size(), bits);
    std::vector<std::byte> out(bytes + 16, std::byte{0x5a});
    pack_codes(bits, codes.data(), codes.size(), out.data());
    for (auto i = bytes; i < out.size(); ++i) EXPECT_EQ(out[i], std::byte{0x5a}) << "written beyond the row";
    out.resize(bytes);
    return out;
}

/// The format's definition, bit by bit.
template <class Code>
std::vector<std::byte> by_definition(unsigned bits, std::vector<Code> const& codes) {
    std::vector<std::byte> out(packed_bytes(codes.size(), bits));
    for (std::size_t i = 0; i < codes.size() * bits; ++i) {
        auto const bit = codes[i / bits] >> i % bits & 1;
        out[i / 8] |= static_cast<std::byte>(bit << i % 8);
    }
    return out;
}

template <class Code>
void check(unsigned bits) {
    std::mt19937 random(bits);
    for (std::size_t const count : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 65, 127, 128, 255, 256}) {
        std::vector<Code> codes(count);
        for (auto& code : codes) code = static_cast<Code>(random() & ((1U << bits) - 1));
        auto const bytes = packed(bits, codes);
        EXPECT_EQ(bytes, by_definition(bits, codes)) << bits << " bits, " << count << " codes";
        std::vector<Code> back(count);
        unpack_codes(bits, bytes.data(), count, back.data());
        EXPECT_EQ(back, codes) << bits << " bits, " << count << " codes";
    }
}

TEST(BitPacking, IsWhatTheFormatSaysForEveryWidth) {
    for (unsigned bits = 1; bits <= 8; ++bits) check<std::uint8_t>(bits);
    for (unsigned bits = 9; bits <= 12; ++bits) check<std::uint16_t>(bits);
}

TEST(BitPacking, WorkedExample) {
    EXPECT_EQ(packed<std::uint8_t>(3, {1, 2, 7}), bytes_of({0xd1, 0x01}));
    EXPECT_EQ(packed<std::uint8_t>(4, {7, 9, 1}), bytes_of({0x97, 0x01}));
    EXPECT_EQ(packed<std::uint16_t>(10, {0x3ff, 0, 1}), bytes_of({0xff, 0x03, 0x10, 0x00}));
}

}  // namespace
}  // namespace kvstone
