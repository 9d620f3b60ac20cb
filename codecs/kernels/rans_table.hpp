#pragma once
// Frequencies of bytes out of 4096, for rANS.
//
// Format of a table (bits from the lowest of each byte on):
//   1 byte   the first symbol that occurs
//   1 byte   the last symbol that occurs
//   bits     for each symbol from the first to the last, where these differ: in 4 bits the width w of its frequency in
//            binary, 0 where it does not occur, then its w - 1 bits below the leading one; zero bits up to a whole byte
// The frequencies' sum is 4096. Starts are the sums of what lies before.
// Example: a and b as often as each other: 2048 each, w = 12 -> 61 62 0c 00 06 00 (4 + 11 bits for each).

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/kernels/huffman_code.hpp"
#include "codecs/kernels/state_lanes.hpp"

namespace kvstone {

inline constexpr std::uint32_t rans_slots = 1U << rans_bits;
/// 4 + 11 bits are the most for a symbol.
inline constexpr std::size_t most_rans_table_bytes = 2 + 2 * 256;

using Frequencies = std::array<std::uint16_t, 256>;

/// Frequencies near to the counts' shares, at least 1 where a symbol occurs, whose code of these counts is short. Some symbol
/// occurs; the counts' sum is below 2^48.
Frequencies rans_frequencies(SymbolCounts const& counts);

/// Writes a table; returns its bytes.
std::size_t write_rans_table(Frequencies const& frequencies, std::byte* table);

/// Reads the table that begins there; returns its bytes, or 0 where it is none that is written.
std::size_t read_rans_table(std::byte const* table, std::size_t available, Frequencies& frequencies);

/// start << 16 | frequency and 1 / frequency of each symbol.
void make_rans_codes(Frequencies const& frequencies, std::uint32_t* codes, float* reciprocals);

/// The 4096 entries of RansLookup.
void make_rans_lookup(Frequencies const& frequencies, std::uint32_t* entries);

}  // namespace kvstone
