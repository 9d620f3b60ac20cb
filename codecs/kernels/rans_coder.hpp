#pragma once

#include <algorithm>
#include <array>
#include <bit>

#include "codecs/kernels/coded_blocks.hpp"
#include "codecs/kernels/rans_table.hpp"
#include "codecs/kernels/state_lanes.hpp"
#include "codecs/kernels/symbol_counts.hpp"

namespace kvstone {

/// rANS with one table for a segment, as a Coder of coded_blocks.hpp.
class RansCoder {
  public:
    std::size_t most_table_bytes() const { return most_rans_table_bytes; }
    std::size_t tables_bytes() const { return rans_slots * sizeof(std::uint32_t); }
    std::size_t scratch_bytes(std::size_t count) const { return state_scratch_bytes(count); }
    std::size_t counters() const { return 256; }
    void count(SymbolBlock const& block, std::uint64_t* counts) const {
        count_symbols(block.symbols, block.count, counts);
    }

    std::size_t write_table(std::uint64_t const* counts, std::byte* table) const {
        SymbolCounts all;
        std::copy_n(counts, 256, all.begin());
        return write_rans_table(rans_frequencies(all), table);
    }
    std::size_t table_bytes(std::byte const* table, std::size_t available) const {
        Frequencies frequencies;
        return read_rans_table(table, available, frequencies);
    }
    void load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const {
        Frequencies frequencies;
        read_rans_table(table, bytes, frequencies);
        auto& codes = *reinterpret_cast<Codes*>(memory);
        make_rans_codes(frequencies, codes.codes.data(), codes.reciprocals.data());
    }
    bool load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const {
        Frequencies frequencies;
        if (read_rans_table(table, bytes, frequencies) == 0) return false;
        make_rans_lookup(frequencies, reinterpret_cast<std::uint32_t*>(memory));
        return true;
    }
    std::size_t encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                       std::byte* scratch) const {
        auto const& codes = *reinterpret_cast<Codes const*>(memory);
        return encode_states(RansCodes{codes.codes.data(), codes.reciprocals.data(), {}}, block.symbols, block.count,
                             coded, most, scratch);
    }
    bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols, std::size_t count,
                std::uint64_t) const {
        return decode_states(RansLookup{reinterpret_cast<std::uint32_t const*>(memory), {}}, coded, bytes, symbols,
                             count);
    }

  private:
    struct Codes {
        std::array<std::uint32_t, 256> codes;
        std::array<float, 256> reciprocals;
    };
};

}  // namespace kvstone
