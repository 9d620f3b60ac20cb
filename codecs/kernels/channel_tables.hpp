#pragma once

#include <cstddef>
#include <cstdint>

namespace kvstone {

/// log2(2^32 / x) in units of 2^-8 bit, rounded down, for x from 1 to 2^32: the same on every processor.
std::uint32_t code_bits_256(std::uint64_t x);

/// Which places of a row share a table: `table_of[place]`, from 0 up in the order in which places first name them. Returns
/// how many tables there are, at most 16. counts[place][symbol] are the symbols of each place. Tables are added for the
/// place that gains most from one of its own, while that is worth `table_bits`; then places choose their best table three
/// times (Lloyd).
std::size_t share_tables(std::uint64_t const* counts, std::size_t places, std::uint64_t table_bits,
                         std::uint8_t* table_of);

}  // namespace kvstone
