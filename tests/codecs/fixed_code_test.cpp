// The code of fixed length of exponents: one pass against its parts, broken blocks, and the sample of large blocks.

#include "codecs/kernels/fixed_code.hpp"

#include <algorithm>
#include <new>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// Memory that starts cache lines, as that of planes does.
template <class T>
struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    explicit LineAllocator(LineAllocator<U> const&) {}
    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* place, std::size_t) { ::operator delete(place, std::align_val_t{64}); }
    bool operator==(LineAllocator const&) const = default;
};
template <class T>
using Lines = std::vector<T, LineAllocator<T>>;

template <class Split>
class FixedCode : public testing::Test {
  public:
    using Word = typename Split::Word;

    /// Numbers of whose exponents most are few, some far from these, and some anything.
    static Lines<Word> numbers_of(std::size_t count) {
        std::mt19937 random(5);
        Lines<Word> numbers(count);
        for (auto& number : numbers) {
            auto const kind = random() % 40;
            auto const exponent = kind == 0   ? random()
                                  : kind == 1 ? 0
                                  : kind == 2 ? Split::exponent_mask - 1
                                              : 5 + random() % 5;
            number = Split::joined(static_cast<unsigned>(random()) & ((2U << Split::mantissa_bits) - 1),
                                   static_cast<unsigned>(exponent));
        }
        return numbers;
    }

    struct Coded {
        std::vector<std::byte> table;
        std::vector<std::byte> block;
        Lines<std::byte> low;
        std::vector<std::byte> packed;
        bool operator==(Coded const&) const = default;
    };
    static std::byte* bytes_of(Lines<Word>& numbers) { return reinterpret_cast<std::byte*>(numbers.data()); }
    static Coded room_for(std::size_t count) {
        return {{},
                std::vector<std::byte>(2 * count + 8),
                Lines<std::byte>(Split::has_low_bytes ? count : 0),
                std::vector<std::byte>(packed_bytes(count, Split::packed_bits))};
    }
    static NumberBlock block_of(Lines<Word>& numbers, Coded& coded, bool streaming) {
        return {bytes_of(numbers), coded.low.data(), coded.packed.data(), numbers.size(), streaming};
    }
    static Coded one_pass(FixedCoder<Split> const& coder, Lines<Word> numbers, bool streaming) {
        auto coded = room_for(numbers.size());
        std::vector<std::byte> memory(coder.tables_bytes());
        std::vector<std::byte> scratch(coder.scratch_bytes(numbers.size()));
        std::vector<std::uint64_t> counts(256);
        auto const block = block_of(numbers, coded, streaming);
        coder.count(block, scratch.data(), counts.data());
        coded.table.resize(coder.most_table_bytes());
        coded.table.resize(coder.write_table(counts.data(), coded.table.data()));
        coder.load_codes(coded.table.data(), coded.table.size(), memory.data());
        coded.block.resize(coder.encode(memory.data(), block, coded.block.data(), coded.block.size(), scratch.data()));
        return coded;
    }
    /// The same with a table that is given, one thing after the other.
    static Coded step_by_step(unsigned code_bits, Lines<Word> numbers, std::vector<std::byte> const& table) {
        auto coded = room_for(numbers.size());
        coded.table = table;
        Split::rests(bytes_of(numbers), numbers.size(), coded.low.data(), coded.packed.data());
        std::vector<std::uint8_t> exponents(numbers.size());
        Split::exponents(bytes_of(numbers), numbers.size(), exponents.data());
        std::vector<std::uint8_t> codes;
        std::vector<std::uint8_t> escaped;
        for (auto const exponent : exponents) {
            auto const found = std::find(table.begin() + 1, table.end(), std::byte{exponent});
            bool const escapes = found == table.end();
            codes.push_back(static_cast<std::uint8_t>(escapes ? (1 << code_bits) - 1 : found - table.begin() - 1));
            if (escapes) escaped.push_back(exponent);
        }
        auto const code_bytes = packed_bytes(codes.size(), code_bits);
        pack_codes(code_bits, codes.data(), codes.size(), coded.block.data());
        pack_codes(Split::exponent_bits, escaped.data(), escaped.size(), coded.block.data() + code_bytes);
        coded.block.resize(code_bytes + packed_bytes(escaped.size(), Split::exponent_bits));
        return coded;
    }
};

using Splits = testing::Types<Fp16Split, Bf16Split, Fp8E4m3Split, Fp8E5m2Split>;
TYPED_TEST_SUITE(FixedCode, Splits);

TYPED_TEST(FixedCode, OnePassWritesWhatItsPartsDo) {
    for (unsigned const code_bits : {3U, 4U}) {
        for (std::size_t const count : {1, 63, 64, 1000, 5001, 270000}) {
            auto const numbers = this->numbers_of(count);
            FixedCoder<TypeParam> const coder(code_bits, count);
            auto const coded = this->one_pass(coder, numbers, false);
            ASSERT_EQ(coder.table_bytes(coded.table.data(), coded.table.size()), coded.table.size());
            EXPECT_EQ(coder.table_bytes(coded.table.data(), coded.table.size() - 1), 0U);
            EXPECT_EQ(coded, this->step_by_step(code_bits, numbers, coded.table)) << count;
            EXPECT_EQ(coded, this->one_pass(coder, numbers, true)) << count;
        }
    }
}

TYPED_TEST(FixedCode, WholeAndBrokenBlocks) {
    for (unsigned const code_bits : {3U, 4U}) {
        for (std::size_t const count : {1, 63, 64, 1000, 5001}) {
            auto const numbers = this->numbers_of(count);
            FixedCoder<TypeParam> const coder(code_bits, count);
            auto coded = this->one_pass(coder, numbers, false);
            std::vector<std::byte> memory(coder.tables_bytes());
            ASSERT_TRUE(coder.load_lookup(coded.table.data(), coded.table.size(), memory.data()));
            for (bool const streaming : {false, true}) {
                auto result = Lines<typename TypeParam::Word>(count);
                auto const block = this->block_of(result, coded, streaming);
                EXPECT_TRUE(coder.decode(memory.data(), coded.block.data(), coded.block.size(), block));
                EXPECT_EQ(result, numbers);
                for (std::size_t length = 0; length < coded.block.size(); ++length) {
                    // Of a length of its own: a reader beyond it is caught where memory is watched.
                    std::vector<std::byte> const cut(coded.block.begin(),
                                                     coded.block.begin() + static_cast<std::ptrdiff_t>(length));
                    EXPECT_FALSE(coder.decode(memory.data(), cut.data(), length, block)) << length;
                }
            }
        }
    }
}

TEST(FixedCoder, LargeBlocksAreCountedBySamples) {
    // Runs of 256 numbers of one exponent, sixteen of them: the sample takes every 64th run, and each of the sixteen once.
    constexpr std::size_t runs = 1024;
    std::vector<std::uint16_t> numbers(256 * runs);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = Bf16Split::joined(0, static_cast<unsigned>(i / 256 % 16));
    std::vector<std::byte> buffer(numbers.size());
    std::vector<std::uint64_t> counts(256);
    auto const count = [&](std::size_t of) {
        std::ranges::fill(counts, 0);
        FixedCoder<Bf16Split>(4, of).count({reinterpret_cast<std::byte*>(numbers.data()), nullptr, nullptr, of, false},
                                           buffer.data(), counts.data());
        return std::vector<std::uint64_t>(counts.begin(), counts.begin() + 16);
    };
    EXPECT_EQ(count(numbers.size()), std::vector<std::uint64_t>(16, 256));
    // One number less is too few for a sample: all are counted.
    std::vector<std::uint64_t> all(16, 16384);
    all[15] = 16383;
    EXPECT_EQ(count(numbers.size() - 1), all);
}

}  // namespace
}  // namespace kvstone
