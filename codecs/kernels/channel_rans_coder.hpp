#pragma once
// rANS whose table is that of the symbol's place in a row (its channel, and which byte of the element it is).
//
// Up to 16 tables serve all places: places whose counts are alike share one.
// Format of a segment's tables:
//   1 byte                 tables n, 1 to 16
//   4 bits for each place  its table, where n > 1; the low half of a byte first, zero bits at the end
//   n tables               as codecs/kernels/rans_table.hpp has them, in the order in which places first name them

#include <cstddef>
#include <cstdint>

#include "codecs/kernels/coded_blocks.hpp"

namespace kvstone {

inline constexpr std::size_t most_channel_tables = 16;
inline constexpr std::uint64_t most_row_places = 4096;

/// As a Coder of coded_blocks.hpp.
class ChannelRansCoder {
  public:
    /// row_bytes: places of a row, 1 to 4096.
    explicit ChannelRansCoder(std::uint64_t row_bytes) : places_(row_bytes) {}

    std::size_t most_table_bytes() const;
    std::size_t tables_bytes() const;
    std::size_t scratch_bytes(std::size_t count) const;
    std::size_t counters() const;
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
    std::size_t walk_bytes() const { return (places_ + 64) * sizeof(std::uint32_t); }

    std::uint64_t places_;
};

}  // namespace kvstone
