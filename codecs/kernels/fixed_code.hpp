#pragma once
// A code of fixed length: the symbols that occur most often, and an escape for the others.
//
// With b bits (3 or 4), code c < 2^b - 1 is the c-th symbol of the table, and code 2^b - 1 an escape.
// Format of a table:
//   1 byte    how many symbols it has, at most 2^b - 1
//   n bytes   the symbols, the most frequent first, of equal ones the lowest first
// Format of a block:
//   the codes, packed to b bits, then the symbols of the escapes in order, packed to what a symbol has by itself
//   (codecs/kernels/bit_packing.hpp)

#include <cstddef>
#include <cstdint>

#include "codecs/kernels/coded_blocks.hpp"

namespace kvstone {

/// As a Coder of coded_blocks.hpp.
class FixedCoder {
  public:
    /// block_symbols: at most so many a block.
    FixedCoder(unsigned code_bits, unsigned symbol_bits, std::uint64_t block_symbols)
        : code_bits_(code_bits), symbol_bits_(symbol_bits), block_symbols_(block_symbols) {}

    std::size_t most_table_bytes() const { return std::size_t{1} << code_bits_; }
    std::size_t tables_bytes() const;
    std::size_t scratch_bytes(std::size_t count) const;
    std::size_t counters() const { return 256; }
    void count(SymbolBlock const& block, std::uint64_t* counts) const;
    std::size_t write_table(std::uint64_t const* counts, std::byte* table) const;
    std::size_t table_bytes(std::byte const* table, std::size_t available) const;
    void load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const;
    bool load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const;
    std::size_t encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                       std::byte* scratch) const;
    bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols, std::size_t count,
                std::uint64_t first) const;

  private:
    std::uint8_t escape() const { return static_cast<std::uint8_t>((1U << code_bits_) - 1); }

    unsigned code_bits_;
    unsigned symbol_bits_;
    std::uint64_t block_symbols_;
};

}  // namespace kvstone
