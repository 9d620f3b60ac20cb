#include "codecs/kernels/huffman_code.hpp"

#include <algorithm>

namespace kvstone {
namespace {

struct Span {
    std::size_t first;
    std::size_t last;
};

Span span_of(SymbolCounts const& counts) {
    std::size_t first = 0;
    std::size_t last = 255;
    while (first < 255 && counts[first] == 0) ++first;
    while (last > first && counts[last] == 0) --last;
    return {first, last};
}

std::uint32_t reversed(std::uint32_t code, unsigned length) {
    std::uint32_t result = 0;
    for (unsigned bit = 0; bit < length; ++bit) result |= (code >> bit & 1U) << (length - 1 - bit);
    return result;
}

}  // namespace

CodeLengths huffman_lengths(SymbolCounts const& counts) {
    // Leaves in ascending order of count, then of symbol.
    std::array<std::pair<std::uint64_t, std::size_t>, 256> leaves;
    std::size_t occurring = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        if (counts[symbol] > 0) leaves[occurring++] = {counts[symbol], symbol};
    }
    std::sort(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(occurring));
    CodeLengths lengths{};
    if (occurring < 2) return lengths;

    // Each level merges the leaves with pairs of the level before; a leaf is as long as the levels that take it.
    std::array<std::array<bool, 512>, most_huffman_bits> is_leaf;
    std::array<std::uint64_t, 512> items;
    std::array<std::uint64_t, 512> merged;
    std::size_t size = 0;
    for (auto& level : is_leaf) {
        std::size_t leaf = 0;
        std::size_t pair = 0;
        std::size_t count = 0;
        while (leaf < occurring || pair < size / 2) {
            auto const weight = pair < size / 2 ? items[2 * pair] + items[2 * pair + 1] : 0;
            bool const take_leaf = pair >= size / 2 || (leaf < occurring && leaves[leaf].first <= weight);
            merged[count] = take_leaf ? leaves[leaf++].first : weight;
            pair += take_leaf ? 0 : 1;
            level[count++] = take_leaf;
        }
        size = count;
        items = merged;
    }
    auto taken = 2 * occurring - 2;
    for (auto level = is_leaf.rbegin(); level != is_leaf.rend(); ++level) {
        std::size_t leaf = 0;
        for (std::size_t item = 0; item < taken; ++item) {
            if ((*level)[item]) ++lengths[leaves[leaf++].second];
        }
        taken = 2 * (taken - leaf);
    }
    return lengths;
}

std::size_t write_huffman_table(SymbolCounts const& counts, CodeLengths const& lengths, std::byte* table) {
    auto const [first, last] = span_of(counts);
    table[0] = static_cast<std::byte>(first);
    table[1] = static_cast<std::byte>(last);
    if (first == last) return 2;
    auto const bytes = (last - first + 2) / 2;
    for (std::size_t i = 0; i < bytes; ++i) {
        auto const symbol = first + 2 * i;
        table[2 + i] = static_cast<std::byte>(lengths[symbol] | (symbol < last ? lengths[symbol + 1] << 4 : 0));
    }
    return 2 + bytes;
}

std::size_t huffman_table_bytes(std::byte const* table, std::size_t available) {
    if (available < 2) return 0;
    auto const first = std::to_integer<std::size_t>(table[0]);
    auto const last = std::to_integer<std::size_t>(table[1]);
    auto const bytes = last > first ? 2 + (last - first + 2) / 2 : 2;
    return bytes <= available ? bytes : 0;
}

bool read_huffman_table(std::byte const* table, CodeLengths& lengths) {
    auto const first = std::to_integer<std::size_t>(table[0]);
    auto const last = std::to_integer<std::size_t>(table[1]);
    lengths.fill(0);
    if (first >= last) return first == last;
    auto const slots = last - first + 1;
    std::uint32_t taken = 0;
    for (std::size_t i = 0; i < (slots + 1) / 2 * 2; ++i) {
        auto const length = std::to_integer<unsigned>(table[2 + i / 2] >> (i % 2 * 4)) & 15U;
        if (length == 0) continue;
        if (i >= slots || length > most_huffman_bits) return false;
        lengths[first + i] = static_cast<std::uint8_t>(length);
        taken += 1U << (most_huffman_bits - length);
    }
    return lengths[first] > 0 && lengths[last] > 0 && taken == 1U << most_huffman_bits;
}

void make_huffman_codes(CodeLengths const& lengths, std::uint32_t* codes) {
    std::array<std::uint32_t, most_huffman_bits + 2> next{};
    for (auto const length : lengths) {
        if (length > 0) ++next[length + 1U];
    }
    for (unsigned length = 1; length < next.size(); ++length) next[length] = (next[length] + next[length - 1]) << 1;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        unsigned const length = lengths[symbol];
        codes[symbol] = length == 0 ? 0 : length << 16 | reversed(next[length]++, length);
    }
}

unsigned make_huffman_lookup(CodeLengths const& lengths, std::uint8_t only, std::uint32_t* entries) {
    unsigned const bits = *std::ranges::max_element(lengths);
    if (bits == 0) {
        entries[0] = only;
        return 0;
    }
    std::array<std::uint32_t, 256> codes;
    make_huffman_codes(lengths, codes.data());
    for (std::uint32_t symbol = 0; symbol < 256; ++symbol) {
        unsigned const length = lengths[symbol];
        if (length == 0) continue;
        for (auto at = codes[symbol] & 0xffffU; at < 1U << bits; at += 1U << length) {
            entries[at] = length << 8 | symbol;
        }
    }
    return bits;
}

HuffmanOrder order_of(CodeLengths const& lengths) {
    HuffmanOrder order;
    std::uint32_t code = 0;  // the next one, as if it were of 16 bits
    std::uint32_t place = 0;
    for (unsigned length = 1; length <= most_huffman_bits; ++length) {
        auto const first = place;
        for (std::size_t symbol = 0; symbol < 256; ++symbol)
            if (lengths[symbol] == length) order.symbols[place++] = static_cast<std::uint8_t>(symbol);
        order.bases[length] = static_cast<std::uint16_t>(first - (code >> (16 - length)));
        code += (place - first) << (16 - length);
        order.limits[length] = static_cast<std::uint16_t>(code);
        if (place == first) continue;
        if (order.shortest == 0) order.shortest = length;
        order.longest = length;
    }
    return order;
}

}  // namespace kvstone
