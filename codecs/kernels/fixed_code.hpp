#pragma once
// A code of fixed length for exponents: those that occur most often, and an escape for the others.
//
// With b bits (3 or 4), code c < 2^b - 1 is the c-th exponent of the table, and code 2^b - 1 an escape.
// Format of a table:
//   1 byte    how many exponents it has, at most 2^b - 1
//   n bytes   the exponents, the most frequent first, of equal ones the lowest first
// Format of a block:
//   the codes, packed to b bits, then the exponents of the escapes in order, packed to what an exponent has
//   (codecs/kernels/bit_packing.hpp)
// Blocks of 262144 numbers or more are counted by a sample, 256 of each 16384 numbers: a table that is not quite the best one
// costs some escapes, but reading every number twice costs more.
//
// Numbers are taken apart and coded in one pass, and put together in one pass: memory bounds both.

#include <cstddef>
#include <cstdint>

#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/number_split.hpp"

namespace kvstone {

/// Numbers of one block, and the place of their remainders without exponents (number_split.hpp).
struct NumberBlock {
    std::byte* numbers = nullptr;
    std::byte* low = nullptr;
    std::byte* packed = nullptr;
    std::size_t count = 0;
    bool streaming = false;  ///< whether stores should go past the cache
};

/// As a Coder of coded_blocks.hpp that takes numbers.
template <class Split>
class FixedCoder {
  public:
    static constexpr bool takes_numbers = true;

    /// block_numbers: at most so many a block.
    FixedCoder(unsigned code_bits, std::uint64_t block_numbers)
        : code_bits_(code_bits), block_numbers_(block_numbers) {}

    std::size_t most_table_bytes() const { return std::size_t{1} << code_bits_; }
    std::size_t tables_bytes() const;
    std::size_t scratch_bytes(std::size_t count) const;
    std::size_t counters() const { return 256; }
    /// buffer: a byte for each number.
    void count(NumberBlock const& block, std::byte* buffer, std::uint64_t* counts) const;
    std::size_t write_table(std::uint64_t const* counts, std::byte* table) const;
    std::size_t table_bytes(std::byte const* table, std::size_t available) const;
    void load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const;
    bool load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const;
    /// Writes the remainders of the numbers in any case.
    std::size_t encode(std::byte* memory, NumberBlock const& block, std::byte* coded, std::size_t most,
                       std::byte* scratch) const;
    bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, NumberBlock const& block) const;

  private:
    std::uint8_t escape() const { return static_cast<std::uint8_t>((1U << code_bits_) - 1); }

    unsigned code_bits_;
    std::uint64_t block_numbers_;
};

extern template class FixedCoder<Fp16Split>;
extern template class FixedCoder<Bf16Split>;
extern template class FixedCoder<Fp8E4m3Split>;
extern template class FixedCoder<Fp8E5m2Split>;

}  // namespace kvstone
