// Planes of bytes, fields and bits against one element at a time, their entropy on N(0,1) against mathematics, and what
// gear and delta refuse.

#include <array>
#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "codecs/kernels/bit_fields.hpp"
#include "codecs/kernels/byte_planes.hpp"
#include "codecs/kernels/delta.hpp"
#include "codecs/not_applicable.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

template <class T>
std::vector<T> random_words(std::size_t count) {
    std::mt19937 random(7);
    std::vector<T> words(count);
    for (auto& word : words) word = static_cast<T>(random());
    return words;
}

/// Memory whose first byte lies `offset` bytes behind the start of a cache line, with a byte behind it that is to stay.
class Place {
  public:
    Place(std::size_t bytes, std::size_t offset) : memory_(bytes + offset + 65, std::byte{0xee}), bytes_(bytes) {
        first_ = (64 - reinterpret_cast<std::uintptr_t>(memory_.data()) % 64) % 64 + offset;
    }
    template <class T>
    T* as() {
        return reinterpret_cast<T*>(memory_.data() + first_);
    }
    bool kept_what_follows() const { return memory_[first_ + bytes_] == std::byte{0xee}; }

  private:
    std::vector<std::byte> memory_;
    std::size_t bytes_;
    std::size_t first_;
};

constexpr std::size_t counts[] = {0, 1, 3, 15, 16, 31, 63, 64, 65, 127, 128, 200, 1000, 4096, 4099};

TEST(BytePlanes, gear__HalvesAreThoseOfOneAtATime) {
    auto const halves = random_words<std::uint16_t>(counts[std::size(counts) - 1]);
    for (auto const count : counts) {
        for (std::size_t const offset : {0, 1, 32}) {
            for (bool const streaming : {false, true}) {
                Place high(count, offset);
                Place low(count, offset);
                split_halves(halves.data(), count, high.as<std::uint8_t>(), low.as<std::uint8_t>(), streaming);
                for (std::size_t i = 0; i < count; ++i) {
                    ASSERT_EQ(high.as<std::uint8_t>()[i], halves[i] >> 8) << count << " elements, " << i;
                    ASSERT_EQ(low.as<std::uint8_t>()[i], halves[i] & 0xff) << count << " elements, " << i;
                }
                Place merged(2 * count, 2 * offset);
                merge_halves(high.as<std::uint8_t>(), low.as<std::uint8_t>(), count, merged.as<std::uint16_t>(),
                             streaming);
                ASSERT_TRUE(std::equal(halves.begin(), halves.begin() + static_cast<std::ptrdiff_t>(count),
                                       merged.as<std::uint16_t>()));
                EXPECT_TRUE(high.kept_what_follows() && low.kept_what_follows() && merged.kept_what_follows());
            }
        }
    }
}

TEST(BytePlanes, gear__WordsAreThoseOfOneAtATime) {
    auto const words = random_words<std::uint32_t>(counts[std::size(counts) - 1]);
    for (auto const count : counts) {
        for (std::size_t const offset : {0, 1}) {
            std::vector<Place> places(4, Place(count, 0));
            for (auto& place : places) place = Place(count, offset);
            std::array<std::uint8_t*, 4> planes;
            std::array<std::uint8_t const*, 4> read;
            for (std::size_t p = 0; p < 4; ++p) read[p] = planes[p] = places[p].as<std::uint8_t>();
            split_words_of_four(words.data(), count, planes, true);
            for (std::size_t i = 0; i < count; ++i) {
                for (std::size_t p = 0; p < 4; ++p) {
                    ASSERT_EQ(planes[p][i], words[i] >> (24 - 8 * p) & 0xff) << count << " elements, " << i;
                }
            }
            Place merged(4 * count, 4 * offset);
            merge_words_of_four(read, count, merged.as<std::uint32_t>());
            ASSERT_TRUE(std::equal(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count),
                                   merged.as<std::uint32_t>()));
            EXPECT_TRUE(places[0].kept_what_follows() && merged.kept_what_follows());
        }
    }
}

TEST(BitFields, gear__EveryHalfComesBackFromEveryField) {
    std::vector<std::uint16_t> all(65536);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    for (BitField const field : {BitField{10, 6}, {10, 5}, {7, 8}}) {
        std::vector<std::uint8_t> fields(all.size());
        std::vector<std::byte> rest(packed_bytes(all.size(), 16 - field.bits));
        split_field(all.data(), all.size(), field, fields.data(), rest.data());
        for (std::size_t i = 0; i < all.size(); ++i) {
            ASSERT_EQ(fields[i], i / (1U << field.first) % (1U << field.bits)) << i;
        }
        std::vector<std::uint16_t> merged(all.size());
        merge_field(fields.data(), rest.data(), all.size(), field, merged.data());
        EXPECT_EQ(merged, all);
    }
}

TEST(BitFields, gear__WordsComeBackAndOddCountsStayInside) {
    auto const words = random_words<std::uint32_t>(4099);
    for (std::size_t const count : {1, 7, 2048, 2049, 4099}) {
        std::vector<std::uint8_t> fields(count);
        std::vector<std::byte> rest(3 * count + 1, std::byte{0xee});
        split_field(words.data(), count, {23, 8}, fields.data(), rest.data());
        EXPECT_EQ(rest.back(), std::byte{0xee});
        std::vector<std::uint32_t> merged(count);
        merge_field(fields.data(), rest.data(), count, {23, 8}, merged.data());
        EXPECT_TRUE(std::equal(merged.begin(), merged.end(), words.begin()));
        std::vector<std::uint32_t> from_bits(count);
        for (unsigned bit = 0; bit < 32; ++bit) {
            std::vector<std::byte> plane((count + 7) / 8 + 1, std::byte{0xee});
            take_bit(words.data(), count, bit, plane.data());
            EXPECT_EQ(plane.back(), std::byte{0xee});
            put_bit(plane.data(), count, bit, from_bits.data());
        }
        EXPECT_EQ(from_bits, merged);
    }
}

TEST(Delta, delta__ComesBackForEveryPairOfBytes) {
    std::vector<std::uint8_t> pairs;
    for (unsigned i = 0; i < 65536; ++i) {
        pairs.push_back(static_cast<std::uint8_t>(i));
        pairs.push_back(static_cast<std::uint8_t>(i >> 8));
    }
    std::vector<std::uint8_t> differences(pairs.size());
    std::vector<std::uint8_t> back(pairs.size());
    auto const check = [&](auto difference) {
        apart_along_channels(pairs.data(), 65536, 2, difference, differences.data());
        together_along_channels(differences.data(), 65536, 2, difference, back.data());
        EXPECT_EQ(back, pairs);
        apart_along_tokens(pairs.data(), 65536, 2, difference, differences.data());
        together_along_tokens(differences.data(), 65536, 2, difference, back.data());
        EXPECT_EQ(back, pairs);
    };
    check(DifferenceBySubtraction<std::uint8_t>{0xff});
    check(DifferenceByXor<std::uint8_t>{});
}

/// Bits a value of each stored plane, over 2^19 values of N(0,1).
std::vector<double> plane_bits(std::string const& text) {
    KvShape const shape{1, 1, 4096, 128};
    std::vector<double> bits;
    for (auto const& plane : planes_of(text, shape, normal_values(shape.values()))) {
        bits.push_back(8.0 * static_cast<double>(plane.size()) / static_cast<double>(shape.values()));
    }
    return bits;
}

// Optimal Huffman codes of the upper byte, of the upper field and of bf16's exponent of N(0,1) take `huffman` bits, by
// integration; `limited`, where no code is longer than the 11 bits of RFC 8878 and every value that 131072 values would
// have once in two trials has one. Beyond that: a table of up to 128 bytes and 37 bytes of headers for each block of
// 131072 bytes, .010 bit. On both sides the mean length of 2^19 codes, whose deviation is below 2 bits, varies by
// 2 / 2^9.5 = .0028, here five times that; a table fitted to each block gains less than its 137 degrees of freedom,
// 137 / (2 x 131072 ln 2) = .0008.
constexpr double table_bits = .010;
constexpr double sampling_bits = .015;

void expect_huffman(std::string const& text, double huffman, double limited, double rest) {
    auto const bits = plane_bits(text);
    ASSERT_EQ(bits.size(), 2U) << text;
    EXPECT_GT(bits[0], huffman - sampling_bits) << text;
    EXPECT_LT(bits[0], limited + sampling_bits + table_bits) << text;
    // Nothing to gain: as it is, but for where each of its pieces ends.
    EXPECT_GE(bits[1], rest) << text;
    EXPECT_LT(bits[1], rest + .001) << text;
}

TEST(Gear, gear__HuffmanCodesOfItsPlanesAreThoseOfTheory) {
    expect_huffman("fp16 | gear | zstd:mode=literals", 5.508810, 5.539083, 8);
    expect_huffman("fp16 | gear:planes=hi6lo10 | zstd:mode=literals", 3.580995, 3.586946, 10);
    expect_huffman("bf16 | gear:planes=exponent | zstd:mode=literals", 2.583825, 2.587368, 8);
    // Fields of other widths are far outside.
    EXPECT_GT(plane_bits("fp16 | gear | zstd:mode=literals")[0], 3.586946 + .5);
    EXPECT_LT(plane_bits("fp16 | gear:planes=hi6lo10 | zstd:mode=literals")[0], 5.508810 - .5);
}

// Independent values have nothing in common with the token before: differences only make the upper byte less even.
TEST(Delta, delta__GainsNothingOnIndependentValues) {
    EXPECT_GT(plane_bits("fp16 | gear | delta | zstd:level=1")[0], plane_bits("fp16 | gear | zstd:level=1")[0]);
}

template <class Refusal>
std::string refusal_of(std::string const& text) {
    try {
        KvShape const shape{1, 1, 4, 64};
        encoded(text, TestTensor(shape, ElementType::f32, test_values(shape)));
    } catch (Refusal const& refusal) {
        return refusal.what();
    }
    return "";
}

using testing::AllOf;
using testing::HasSubstr;

TEST(Gear, gear__RefusesWhatItCannotCut) {
    auto const refused = [](std::string const& text) { return refusal_of<NotApplicable>(text); };
    EXPECT_THAT(refused("int8 | gear"), AllOf(HasSubstr("several bytes"), HasSubstr("planes=bits")));
    EXPECT_THAT(refused("raw | gear:planes=hi6lo10"), HasSubstr("16 bits"));
    EXPECT_THAT(refused("int8 | gear:planes=exponent"), HasSubstr("numbers"));
    EXPECT_THAT(refused("fp16 | gear | gear"), HasSubstr("several bytes"));
    EXPECT_THAT(refused("fp16 | zstd | gear:planes=bits"), HasSubstr("before the coder"));
    EXPECT_EQ(refused("fp16 | gear:planes=exponent | gear:planes=bits"), "");
}

TEST(Delta, delta__RefusesPayloadsWithoutVectors) {
    EXPECT_THAT(refusal_of<NotApplicable>("fp16 | zstd | delta"), HasSubstr("vectors"));
    EXPECT_EQ(refusal_of<NotApplicable>("fp16 | gear:planes=bits | delta"), "");
}

TEST(Zstd, zstd__LiteralsHaveNoLevels) {
    EXPECT_THAT(refusal_of<ConfigError>("fp16 | zstd:level=1,mode=literals"), HasSubstr("no levels"));
}

}  // namespace
}  // namespace kvstone
