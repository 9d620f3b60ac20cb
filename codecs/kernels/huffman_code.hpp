#pragma once
// Canonical Huffman codes of bytes, no code longer than 12 bits.
//
// The limit: the best code of the high bytes of fp16 values of N(0,1) lies .071 bit above their entropy where no code has more
// than 11 bits, .052 with 12 and .044 with 13 (package-merge over the exact probabilities). What decoders look up takes 16 KB
// with 12: a third of the nearest cache.
//
// Code: symbols in order of length, then of value, take ascending codes from 0 on (as in RFC 1951, 3.2.2). The bits of a
// code are read from its first on, and lie in a state with the first bit lowest.
// Format of a table:
//   1 byte   the first symbol that occurs
//   1 byte   the last symbol that occurs
//   4 bits   for each symbol from the first to the last, where these differ: its length, 0 where it does not occur; the
//            low half of a byte first, zero bits at the end
// Example: a once, b twice, d four times: lengths 2, 2, 1 -> 61 64 22 10; codes 10, 11 and 0.

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstone {

inline constexpr unsigned most_huffman_bits = 12;
inline constexpr std::size_t most_huffman_table_bytes = 2 + 128;

using SymbolCounts = std::array<std::uint64_t, 256>;
/// Of each symbol; 0 where it does not occur. A symbol that is the only one has length 0, too.
using CodeLengths = std::array<std::uint8_t, 256>;

/// The lengths that make the coded symbols shortest: package-merge (Larmore and Hirschberg, JACM 37, 1990).
CodeLengths huffman_lengths(SymbolCounts const& counts);

/// Writes the table of what occurs; returns its bytes. Some symbol occurs.
std::size_t write_huffman_table(SymbolCounts const& counts, CodeLengths const& lengths, std::byte* table);

/// The bytes of the table that begins there; 0 where `available` end before.
std::size_t huffman_table_bytes(std::byte const* table, std::size_t available);

/// Reads a table of huffman_table_bytes(). False where it is none that is written.
bool read_huffman_table(std::byte const* table, CodeLengths& lengths);

/// length << 16 | code of each symbol, the first bit of the code lowest.
void make_huffman_codes(CodeLengths const& lengths, std::uint32_t* codes);

/// Fills 2^bits entries length << 8 | symbol, and returns bits, the longest length. `lengths` are of a table that was
/// read, `only` the symbol where all of them are 0.
unsigned make_huffman_lookup(CodeLengths const& lengths, std::uint8_t only, std::uint32_t* entries);

/// The code by arithmetic, for processors that keep 256 bytes in registers. With the next 16 bits, the first one highest,
/// as y: a code is longer than l where y >= limits[l], and symbols[bases[length] + (y >> (16 - length))] is its symbol,
/// modulo 2^16.
struct HuffmanOrder {
    std::array<std::uint8_t, 256> symbols{};  ///< by length, then by value
    std::array<std::uint16_t, 16> limits{};   ///< of lengths from the shortest to the longest but one
    std::array<std::uint16_t, 16> bases{};
    unsigned shortest = 0;  ///< 0: the code has one symbol
    unsigned longest = 0;
};
HuffmanOrder order_of(CodeLengths const& lengths);

}  // namespace kvstone
