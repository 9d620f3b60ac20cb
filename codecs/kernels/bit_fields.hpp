#pragma once
// Elements cut into one field of some bits, which becomes a byte, and the other bits, which are packed; and elements cut
// into their single bits. Host only: plain loops of fixed length, which compilers vectorise.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "codecs/kernels/bit_packing.hpp"

namespace kvstone {

/// The field of bits [first, first + bits) of an element; `bits` is at most 8.
struct BitField {
    unsigned first = 0;
    unsigned bits = 0;

    constexpr std::uint32_t mask() const { return (1U << bits) - 1; }
    constexpr std::uint32_t of(std::uint32_t element) const { return element >> first & mask(); }
    /// The other bits: those above the field moved down to those below it.
    constexpr std::uint32_t rest_of(std::uint32_t element) const {
        return above(element) << first | (element & ((1U << first) - 1));
    }
    constexpr std::uint32_t join(std::uint32_t field, std::uint32_t rest) const {
        auto const upper = rest >> first << first;
        return upper << bits | (field & mask()) << first | (rest & ((1U << first) - 1));
    }

  private:
    constexpr std::uint32_t above(std::uint32_t element) const {
        return first + bits == 32 ? 0 : element >> (first + bits);
    }
};

/// Elements that are cut at a time: what they become fills whole bytes, and stays in the nearest cache.
inline constexpr std::uint64_t field_block = 2048;

/// Fields that are packed `bits` wide; 24 bits are three bytes.
inline void pack_rest(std::uint32_t const* rest, std::uint64_t count, unsigned bits, std::byte* packed) {
    if (bits == 24) {
        for (std::uint64_t i = 0; i < count; ++i) std::memcpy(packed + 3 * i, rest + i, 3);
        return;
    }
    with_code_type(bits, [&]<class Code>(Code) {
        Code codes[field_block];
        for (std::uint64_t i = 0; i < count; ++i) codes[i] = static_cast<Code>(rest[i]);
        pack_codes(bits, codes, count, packed);
    });
}

inline void unpack_rest(std::byte const* packed, std::uint64_t count, unsigned bits, std::uint32_t* rest) {
    if (bits == 24) {
        for (std::uint64_t i = 0; i < count; ++i) {
            rest[i] = 0;
            std::memcpy(rest + i, packed + 3 * i, 3);
        }
        return;
    }
    with_code_type(bits, [&]<class Code>(Code) {
        Code codes[field_block];
        unpack_codes(bits, packed, count, codes);
        for (std::uint64_t i = 0; i < count; ++i) rest[i] = codes[i];
    });
}

/// fields[i] = the field of element i; the other bits of each element packed without gaps.
template <class T>
inline void split_field(T const* elements, std::uint64_t count, BitField field, std::uint8_t* fields,
                        std::byte* packed) {
    auto const bits = static_cast<unsigned>(8 * sizeof(T)) - field.bits;
    for (std::uint64_t first = 0; first < count; first += field_block) {
        auto const now = std::min(field_block, count - first);
        std::uint32_t rest[field_block];
        for (std::uint64_t i = 0; i < now; ++i) {
            std::uint32_t const element = elements[first + i];
            fields[first + i] = static_cast<std::uint8_t>(field.of(element));
            rest[i] = field.rest_of(element);
        }
        pack_rest(rest, now, bits, packed + first * bits / 8);
    }
}

/// The opposite; bits of `fields` above the field's are ignored.
template <class T>
inline void merge_field(std::uint8_t const* fields, std::byte const* packed, std::uint64_t count, BitField field,
                        T* elements) {
    auto const bits = static_cast<unsigned>(8 * sizeof(T)) - field.bits;
    for (std::uint64_t first = 0; first < count; first += field_block) {
        auto const now = std::min(field_block, count - first);
        std::uint32_t rest[field_block];
        unpack_rest(packed + first * bits / 8, now, bits, rest);
        for (std::uint64_t i = 0; i < now; ++i) {
            elements[first + i] = static_cast<T>(field.join(fields[first + i], rest[i]));
        }
    }
}

/// Bit `bit` of each element, eight to a byte, the lowest bit of a byte first.
template <class T>
inline void take_bit(T const* elements, std::uint64_t count, unsigned bit, std::byte* packed) {
    for (std::uint64_t first = 0; first < count; first += field_block) {
        auto const now = std::min(field_block, count - first);
        std::uint8_t codes[field_block];
        for (std::uint64_t i = 0; i < now; ++i) codes[i] = static_cast<std::uint8_t>(elements[first + i] >> bit & 1);
        pack_bytes<1>(codes, now, packed + first / 8);
    }
}

/// Adds what take_bit() took to elements that have a zero there.
template <class T>
inline void put_bit(std::byte const* packed, std::uint64_t count, unsigned bit, T* elements) {
    for (std::uint64_t first = 0; first < count; first += field_block) {
        auto const now = std::min(field_block, count - first);
        std::uint8_t codes[field_block];
        unpack_bytes<1>(packed + first / 8, now, codes);
        for (std::uint64_t i = 0; i < now; ++i) {
            elements[first + i] = static_cast<T>(elements[first + i] | static_cast<T>(codes[i]) << bit);
        }
    }
}

}  // namespace kvstone
