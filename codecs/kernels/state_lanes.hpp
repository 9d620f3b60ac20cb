#pragma once
// Bytes coded into interleaved 32-bit states: what the Huffman code and rANS share.
//
// A state x lies in [2^16, 2^32). To code a symbol, the encoder first moves the low 16 bits of x out, where x would become
// too large, and then pushes the symbol into x. The decoder reverses each step: it reads the symbol from x, and takes 16
// bits in where x is below 2^16. Symbols are therefore pushed from the last to the first. Symbol i belongs to state
// i mod L: L = 64 for blocks of 4096 symbols or more, else 1.
//   Huffman: x = x 2^length + code, the first bit of the code lowest.
//   rANS (Duda, arXiv 1311.2540): x = floor(x / f) 2^12 + start + x mod f, where the symbol has f of 4096 slots.
// Format of a block:
//   4 L bytes   the states after the last push, little-endian
//   2 bytes     each 16 bits moved out, in the order in which the decoder takes them
// The decoder ends with all bytes taken and every state at 2^16 again: it refuses what does not.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codecs/kernels/huffman_code.hpp"

namespace kvstone {

inline constexpr std::uint32_t least_state = 1U << 16;
inline constexpr std::size_t most_state_lanes = 64;
inline constexpr std::size_t least_interleaved_symbols = 4096;
inline constexpr unsigned rans_bits = 12;

constexpr std::size_t lanes_of(std::size_t symbols) {
    return symbols < least_interleaved_symbols ? 1 : most_state_lanes;
}
/// What encode_states() needs of scratch: 12 bits a symbol at the most, and what vectors write beyond.
constexpr std::size_t state_scratch_bytes(std::size_t symbols) { return 2 * symbols + 1024; }

/// For each of the 256 symbols: length << 16 | code.
struct HuffmanCodes {
    std::uint32_t const* codes = nullptr;
};
/// For each value of the next `bits` bits: length << 8 | symbol. `order`: of the same code, or null.
struct HuffmanLookup {
    std::uint32_t const* entries = nullptr;
    unsigned bits = 0;
    HuffmanOrder const* order = nullptr;
};

/// Which of several tables each symbol takes: that of its place in a row.
struct TableWalk {
    std::uint32_t const* tables = nullptr;  ///< of places 0 to period + 63, repeating; null: always the first
    std::uint32_t period = 1;
    std::uint32_t first = 0;  ///< place of the first symbol

    std::uint32_t table_of(std::size_t symbol) const {
        return tables == nullptr ? 0 : tables[(first + symbol) % period];
    }
};

/// For each symbol, 256 to a table: start << 16 | frequency, and 1 / frequency.
struct RansCodes {
    std::uint32_t const* codes = nullptr;
    float const* reciprocals = nullptr;
    TableWalk walk;
};
/// For each slot, 4096 to a table: frequency - 1 << 20 | slot - start << 8 | symbol.
struct RansLookup {
    std::uint32_t const* entries = nullptr;
    TableWalk walk;
};

/// Codes `symbols` into at most `most` bytes. Returns their number, or 0 where they are too few. scratch:
/// state_scratch_bytes(count). Every symbol has a code.
std::size_t encode_states(HuffmanCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch);
std::size_t encode_states(RansCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch);
/// Whether the bytes are a block of `count` symbols; safe on any bytes.
bool decode_states(HuffmanLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count);
/// A coded block, and where its symbols go.
struct CodedStates {
    std::byte const* coded = nullptr;
    std::size_t bytes = 0;
    std::uint8_t* symbols = nullptr;
    std::size_t count = 0;
};
/// Two blocks at once, which is faster where they have as many symbols. Whether both are what they should be.
bool decode_states(HuffmanLookup const& lookup, CodedStates const& first, CodedStates const& second);
bool decode_states(RansLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count);

/// A block that is being decoded: words not taken yet, and states.
struct StateStream {
    std::uint8_t* symbols = nullptr;
    std::byte const* words = nullptr;
    std::byte const* end = nullptr;
    std::array<std::uint32_t, most_state_lanes> states;
};

// One state at a time: for the last symbols of a block, for small blocks, and what tests compare the vectors with.

inline void move_out(std::uint32_t& state, std::byte*& words) {
    auto const word = static_cast<std::uint16_t>(state);
    std::memcpy(words, &word, sizeof(word));
    words += sizeof(word);
    state >>= 16;
}

inline void push_symbol(HuffmanCodes const& codes, std::uint32_t& state, std::uint8_t symbol, std::size_t,
                        std::byte*& words) {
    auto const code = codes.codes[symbol];
    auto const length = code >> 16;
    if (state >> (31 - length) >= 2) move_out(state, words);
    state = state << length | (code & 0xffffU);
}

inline void push_symbol(RansCodes const& codes, std::uint32_t& state, std::uint8_t symbol, std::size_t index,
                        std::byte*& words) {
    auto const code = codes.codes[codes.walk.table_of(index) * 256 + symbol];
    auto const frequency = code & 0xffffU;
    if (state >> (32 - rans_bits) >= frequency) move_out(state, words);
    state = (state / frequency << rans_bits) + state % frequency + (code >> 16);
}

inline std::uint8_t pop_symbol(HuffmanLookup const& lookup, std::uint32_t& state, std::size_t) {
    auto const entry = lookup.entries[state & ((1U << lookup.bits) - 1)];
    state >>= entry >> 8;
    return static_cast<std::uint8_t>(entry);
}

inline std::uint8_t pop_symbol(RansLookup const& lookup, std::uint32_t& state, std::size_t index) {
    constexpr std::uint32_t slots = 1U << rans_bits;
    auto const entry = lookup.entries[(lookup.walk.table_of(index) << rans_bits) + (state & (slots - 1))];
    state = ((entry >> 20) + 1) * (state >> rans_bits) + (entry >> 8 & (slots - 1));
    return static_cast<std::uint8_t>(entry);
}

/// Pushes symbols [first, last), the last one first.
template <class Codes>
void push_symbols(Codes const& codes, std::uint8_t const* symbols, std::size_t first, std::size_t last,
                  std::size_t lanes, std::uint32_t* states, std::byte*& words) {
    for (auto i = last; i-- > first;) push_symbol(codes, states[i % lanes], symbols[i], i, words);
}

/// Pops symbols [first, last). False where words are missing.
template <class Lookup>
bool pop_symbols(Lookup const& lookup, std::uint8_t* symbols, std::size_t first, std::size_t last, std::size_t lanes,
                 std::uint32_t* states, std::byte const*& words, std::byte const* end) {
    for (auto i = first; i < last; ++i) {
        auto& state = states[i % lanes];
        symbols[i] = pop_symbol(lookup, state, i);
        if (state >= least_state) continue;
        if (end - words < 2) return false;
        std::uint16_t word = 0;
        std::memcpy(&word, words, sizeof(word));
        words += sizeof(word);
        state = state << 16 | word;
    }
    return true;
}

/// The block of what the encoder moved out, `words` in its own order. 0 where that exceeds `most` bytes.
inline std::size_t join_block(std::uint32_t const* states, std::size_t lanes, std::byte const* words,
                              std::byte const* words_end, std::byte* coded, std::size_t most) {
    auto const bytes = 4 * lanes + static_cast<std::size_t>(words_end - words);
    if (bytes > most) return 0;
    std::memcpy(coded, states, 4 * lanes);
    auto* to = coded + 4 * lanes;
    for (auto const* from = words_end; from != words; to += 2) {
        from -= 2;
        std::memcpy(to, from, 2);
    }
    return bytes;
}

/// encode_states() without vectors.
template <class Codes>
std::size_t encode_states_singly(Codes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                                 std::size_t most, std::byte* scratch) {
    std::array<std::uint32_t, most_state_lanes> states;
    states.fill(least_state);
    auto* words = scratch;
    auto const lanes = lanes_of(count);
    push_symbols(codes, symbols, 0, count, lanes, states.data(), words);
    return join_block(states.data(), lanes, scratch, words, coded, most);
}

/// Copies a block's states. False where it is too short for them.
inline bool read_states(std::byte const* coded, std::size_t bytes, std::size_t lanes, std::uint32_t* states) {
    if (bytes < 4 * lanes || (bytes - 4 * lanes) % 2 != 0) return false;
    std::memcpy(states, coded, 4 * lanes);
    return true;
}

inline bool all_at_least_state(std::uint32_t const* states, std::size_t lanes) {
    bool ended = true;
    for (std::size_t lane = 0; lane < lanes; ++lane) ended = ended && states[lane] == least_state;
    return ended;
}

/// decode_states() without vectors.
template <class Lookup>
bool decode_states_singly(Lookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                          std::size_t count) {
    std::array<std::uint32_t, most_state_lanes> states;
    auto const lanes = lanes_of(count);
    if (!read_states(coded, bytes, lanes, states.data())) return false;
    auto const* words = coded + 4 * lanes;
    auto const* const end = coded + bytes;
    return pop_symbols(lookup, symbols, 0, count, lanes, states.data(), words, end) && words == end &&
           all_at_least_state(states.data(), lanes);
}

}  // namespace kvstone
