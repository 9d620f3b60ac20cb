#pragma once
// Bits of symbols with given counts. (Shannon, "A Mathematical Theory of Communication", 1948.)

#include <cstdint>
#include <span>

namespace kvstone {

/// Bits of all symbols together at their order-0 entropy: the sum of c log2(n / c) over the counts c, n being their sum. No
/// coder whose table is fixed for all of them (Huffman, rANS, arithmetic coding) takes fewer; one that matches repeats may.
/// As an estimate of the source's entropy it is too low while symbols are few.
double entropy_bits(std::span<std::uint64_t const> counts);

/// The same with that bias corrected to the first order: (m - 1) / (2 ln 2) bits more for m symbols that occur. (Miller,
/// "Note on the bias of information estimates", 1955.)
double corrected_entropy_bits(std::span<std::uint64_t const> counts);

/// Bits of all symbols together in the best prefix code, with words of any length; the table is not counted. A single
/// symbol takes no bits. (Huffman 1952.)
std::uint64_t huffman_bits(std::span<std::uint64_t const> counts);

}  // namespace kvstone
