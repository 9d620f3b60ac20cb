#pragma once

#include <algorithm>
#include <array>

#include "codecs/kernels/coded_blocks.hpp"
#include "codecs/kernels/huffman_code.hpp"
#include "codecs/kernels/state_lanes.hpp"
#include "codecs/kernels/symbol_counts.hpp"

namespace kvstone {

/// The canonical Huffman code of a segment, as a Coder of coded_blocks.hpp.
class HuffmanCoder {
  public:
    std::size_t most_table_bytes() const { return most_huffman_table_bytes; }
    std::size_t tables_bytes() const { return sizeof(Lookup); }
    std::size_t scratch_bytes(std::size_t count) const { return state_scratch_bytes(count); }
    std::size_t counters() const { return 256; }
    void count(SymbolBlock const& block, std::uint64_t* counts) const {
        count_symbols(block.symbols, block.count, counts);
    }

    std::size_t write_table(std::uint64_t const* counts, std::byte* table) const {
        SymbolCounts all;
        std::copy_n(counts, 256, all.begin());
        return write_huffman_table(all, huffman_lengths(all), table);
    }
    std::size_t table_bytes(std::byte const* table, std::size_t available) const {
        return huffman_table_bytes(table, available);
    }
    void load_codes(std::byte const* table, std::size_t, std::byte* memory) const {
        CodeLengths lengths;
        read_huffman_table(table, lengths);
        make_huffman_codes(lengths, reinterpret_cast<std::uint32_t*>(memory));
    }
    bool load_lookup(std::byte const* table, std::size_t, std::byte* memory) const {
        CodeLengths lengths;
        if (!read_huffman_table(table, lengths)) return false;
        auto& lookup = *reinterpret_cast<Lookup*>(memory);
        lookup.bits = make_huffman_lookup(lengths, std::to_integer<std::uint8_t>(table[0]), lookup.entries.data());
        lookup.order = order_of(lengths);
        return true;
    }
    std::size_t encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                       std::byte* scratch) const {
        HuffmanCodes const codes{reinterpret_cast<std::uint32_t const*>(memory)};
        return encode_states(codes, block.symbols, block.count, coded, most, scratch);
    }
    bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols, std::size_t count,
                std::uint64_t) const {
        auto const& lookup = *reinterpret_cast<Lookup const*>(memory);
        return decode_states(HuffmanLookup{lookup.entries.data(), lookup.bits, &lookup.order}, coded, bytes, symbols,
                             count);
    }

    /// Two blocks of one segment.
    static bool decode_pair(std::byte* memory, CodedStates const& first, CodedStates const& second) {
        auto const& lookup = *reinterpret_cast<Lookup const*>(memory);
        return decode_states(HuffmanLookup{lookup.entries.data(), lookup.bits, &lookup.order}, first, second);
    }

  private:
    struct Lookup {
        std::array<std::uint32_t, std::size_t{1} << most_huffman_bits> entries;
        unsigned bits;
        HuffmanOrder order;
    };
};

}  // namespace kvstone
