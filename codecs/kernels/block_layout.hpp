#pragma once
// How symbols are cut into segments that share a table, and those into blocks.

#include <algorithm>
#include <cstdint>
#include <string>

#include "codecs/kernels/bit_packing.hpp"
#include "codecs/options.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

struct BlockLayout {
    std::uint64_t symbols = 0;
    std::uint64_t segment_symbols = 1;  ///< the last segment may be shorter
    std::uint64_t block_symbols = 1;    ///< so may the last block of each segment
    unsigned plain_bits = 8;            ///< of a symbol that is stored as it is

    static std::uint64_t parts(std::uint64_t of, std::uint64_t by) { return (of + by - 1) / by; }
    std::uint64_t segments() const { return parts(symbols, segment_symbols); }
    std::uint64_t blocks_of_segment() const { return parts(segment_symbols, block_symbols); }
    std::uint64_t blocks() const {
        return symbols / segment_symbols * blocks_of_segment() + parts(symbols % segment_symbols, block_symbols);
    }
    std::uint64_t first_block(std::uint64_t segment) const { return std::min(segment * blocks_of_segment(), blocks()); }
    std::uint64_t segment_of(std::uint64_t block) const { return block / blocks_of_segment(); }
    std::uint64_t first(std::uint64_t block) const {
        return segment_of(block) * segment_symbols + block % blocks_of_segment() * block_symbols;
    }
    std::size_t count(std::uint64_t block) const {
        auto const end = std::min((segment_of(block) + 1) * segment_symbols, symbols);
        return std::min(block_symbols, end - first(block));
    }
    /// The block that symbol `first` of a block begins.
    std::uint64_t block_at(std::uint64_t first) const {
        return first / segment_symbols * blocks_of_segment() + first % segment_symbols / block_symbols;
    }

    /// Where a block begins if every block is packed into codes of so many bits, and what all of them take.
    std::uint64_t packed_place(std::uint64_t block, unsigned bits) const {
        return segment_of(block) * packed_part(segment_symbols, bits) +
               block % blocks_of_segment() * packed_bytes(block_symbols, bits);
    }
    std::uint64_t packed_total(unsigned bits) const {
        return symbols / segment_symbols * packed_part(segment_symbols, bits) +
               packed_part(symbols % segment_symbols, bits);
    }
    std::size_t plain_bytes(std::uint64_t block) const { return packed_bytes(count(block), plain_bits); }

  private:
    std::uint64_t packed_part(std::uint64_t part, unsigned bits) const {
        return part / block_symbols * packed_bytes(block_symbols, bits) + packed_bytes(part % block_symbols, bits);
    }
};

/// Options `tables` and `block` of stages that code in blocks, and the layout that they ask for.
inline OptionSpec tables_option() {
    return choice_option("tables", "plane", {"plane", "layer", "head", "block"},
                         "the bytes that share a table; planes that do not tell layers and heads apart have one");
}
inline OptionSpec block_option() {
    return integer_option("block", 262144, 1024, 1048576, "symbols that decode by themselves");
}

/// symbol_bytes: bytes of the input that one symbol stands for; symbol_bits: of a symbol that is stored as it is.
inline BlockLayout layout_of(PlaneSpec const& input, std::uint64_t bytes, std::string const& tables,
                             std::uint64_t block, std::uint64_t symbol_bytes, unsigned symbol_bits) {
    auto const symbols = bytes / symbol_bytes;
    if (tables == "block") return {symbols, block, block, symbol_bits};
    auto const head = input.head_rows * input.row_elements * input.element_bytes / symbol_bytes;
    std::uint64_t const heads = tables == "layer" ? input.layer_heads : std::uint64_t{tables == "head"};
    auto const segment = head * heads > 0 ? head * heads : std::max<std::uint64_t>(1, symbols);
    return {symbols, segment, block, symbol_bits};
}
/// The same where the plane's bytes are the symbols.
inline BlockLayout layout_of_bytes(PlaneSpec const& input, std::uint64_t bytes, std::string const& tables,
                                   std::uint64_t block) {
    bool const short_codes = input.element_bytes == 1 && input.element_bits != 0;
    return layout_of(input, bytes, tables, block, 1, short_codes ? input.element_bits : 8);
}

}  // namespace kvstone
