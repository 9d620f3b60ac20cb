#pragma once
// Codes of 1 to 16 bits, packed without gaps.
//
// Format: code i of a row takes bits [i b, (i+1) b) of the row's bytes, the lowest bit of a byte first; a row ends with
// zero bits up to a whole byte. Eight codes are exactly b bytes. Example: 3-bit codes 1, 2, 7 -> d1 01 (binary
// 1 1101 0001).
//
// Loops are over words of eight (or, above 8 bits, four) codes, which move together in two or three steps: they
// vectorise, and run as they are on a device. Hosts pack rows with their vector units (codecs/kernels/pages/packing_lanes.hpp).

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/function.hpp"

namespace kvstone {

KVSTONE_FUNCTION constexpr std::uint64_t packed_bytes(std::uint64_t codes, unsigned bits) {
    return (codes * bits + 7) / 8;
}

/// Eight codes below 2^bits, one a byte, side by side. bits <= 8.
KVSTONE_FUNCTION inline std::uint64_t join_bytes(std::uint64_t x, unsigned bits) {
    x = (x & 0x00ff00ff00ff00ffU) | ((x & 0xff00ff00ff00ff00U) >> (8 - bits));
    x = (x & 0x0000ffff0000ffffU) | ((x & 0xffff0000ffff0000U) >> (16 - 2 * bits));
    return (x & 0x00000000ffffffffU) | ((x & 0xffffffff00000000U) >> (32 - 4 * bits));
}

/// The opposite; bits above the eight codes are ignored.
KVSTONE_FUNCTION inline std::uint64_t split_bytes(std::uint64_t x, unsigned bits) {
    auto const low = [](unsigned count) -> std::uint64_t { return (std::uint64_t{1} << count) - 1; };
    auto const half = low(4 * bits);
    x = (x & half) | ((x & (half << 4 * bits)) << (32 - 4 * bits));
    auto const quarter = low(2 * bits) * 0x0000000100000001U;
    x = (x & quarter) | ((x & (quarter << 2 * bits)) << (16 - 2 * bits));
    auto const eighth = low(bits) * 0x0001000100010001U;
    return (x & eighth) | ((x & (eighth << bits)) << (8 - bits));
}

/// Four codes below 2^bits, one in 16 bits, side by side. 8 < bits <= 16.
KVSTONE_FUNCTION inline std::uint64_t join_words(std::uint64_t x, unsigned bits) {
    x = (x & 0x0000ffff0000ffffU) | ((x & 0xffff0000ffff0000U) >> (16 - bits));
    return (x & 0x00000000ffffffffU) | ((x & 0xffffffff00000000U) >> (32 - 2 * bits));
}
KVSTONE_FUNCTION inline std::uint64_t split_words(std::uint64_t x, unsigned bits) {
    auto const half = (std::uint64_t{1} << 2 * bits) - 1;
    x = (x & half) | ((x & (half << 2 * bits)) << (32 - 2 * bits));
    auto const quarter = ((std::uint64_t{1} << bits) - 1) * 0x0000000100000001U;
    return (x & quarter) | ((x & (quarter << bits)) << (16 - bits));
}

/// 64 codes of at most 8 bits to 8 `bits` bytes. Loops of fixed length over whole words: they vectorise.
template <unsigned bits>
KVSTONE_FUNCTION inline void pack_64_bytes(std::uint8_t const* codes, std::byte* packed) {
    if constexpr (bits == 8) {
        std::memcpy(packed, codes, 64);
    } else if constexpr (bits == 4) {
        std::uint16_t words[32];
        std::uint8_t joined[32];
        std::memcpy(words, codes, 64);
        for (int i = 0; i < 32; ++i) joined[i] = static_cast<std::uint8_t>(words[i] | words[i] >> 4);
        std::memcpy(packed, joined, 32);
    } else if constexpr (bits == 2) {
        std::uint32_t words[16];
        std::uint8_t joined[16];
        std::memcpy(words, codes, 64);
        for (int i = 0; i < 16; ++i) {
            joined[i] = static_cast<std::uint8_t>(words[i] | words[i] >> 6 | words[i] >> 12 | words[i] >> 18);
        }
        std::memcpy(packed, joined, 16);
    } else {
        std::uint64_t words[8];
        std::memcpy(words, codes, 64);
#pragma GCC unroll 1
        for (int i = 0; i < 8; ++i) words[i] = join_bytes(words[i], bits);
        // What a word's store writes too much, the next writes again; the last writes its own bytes alone.
        constexpr unsigned stores = (8 * bits - 8) / bits + 1;
        for (unsigned i = 0; i < stores; ++i) std::memcpy(packed + i * bits, words + i, sizeof(words[i]));
        for (unsigned i = stores; i < 8; ++i) std::memcpy(packed + i * bits, words + i, bits);
    }
}

template <unsigned bits>
KVSTONE_FUNCTION inline void unpack_64_bytes(std::byte const* packed, std::uint8_t* codes) {
    if constexpr (bits == 8) {
        std::memcpy(codes, packed, 64);
    } else if constexpr (bits == 4) {
        std::uint8_t joined[32];
        std::uint16_t words[32];
        std::memcpy(joined, packed, 32);
        for (int i = 0; i < 32; ++i) words[i] = static_cast<std::uint16_t>((joined[i] | joined[i] << 4) & 0x0f0f);
        std::memcpy(codes, words, 64);
    } else if constexpr (bits == 2) {
        std::uint8_t joined[16];
        std::uint32_t words[16];
        std::memcpy(joined, packed, 16);
#pragma GCC unroll 1
        for (int i = 0; i < 16; ++i) {
            std::uint32_t const byte = joined[i];
            words[i] = (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303U;
        }
        std::memcpy(codes, words, 64);
    } else {
        std::uint64_t words[8];
        constexpr unsigned loads = (8 * bits - 8) / bits + 1;
        for (unsigned i = 0; i < loads; ++i) std::memcpy(words + i, packed + i * bits, sizeof(words[i]));
        for (unsigned i = loads; i < 8; ++i) {
            words[i] = 0;
            std::memcpy(words + i, packed + i * bits, bits);
        }
#pragma GCC unroll 1
        for (int i = 0; i < 8; ++i) words[i] = split_bytes(words[i], bits);
        std::memcpy(codes, words, 64);
    }
}

/// Packs `count` codes of at most 8 bits; writes packed_bytes(count, bits) bytes and none beyond.
template <unsigned bits>
KVSTONE_FUNCTION inline void pack_bytes(std::uint8_t const* codes, std::uint64_t count, std::byte* packed) {
    std::uint64_t i = 0;
    for (; i + 64 <= count; i += 64) pack_64_bytes<bits>(codes + i, packed + i / 8 * bits);
    for (; i < count; i += 8) {
        auto const now = count - i < 8 ? count - i : 8;
        std::uint64_t word = 0;
        for (std::uint64_t k = 0; k < now; ++k) word |= static_cast<std::uint64_t>(codes[i + k]) << k * bits;
        for (std::uint64_t b = 0; b < packed_bytes(now, bits); ++b) {
            packed[i / 8 * bits + b] = static_cast<std::byte>(word >> 8 * b & 0xffU);
        }
    }
}

/// The opposite; reads packed_bytes(count, bits) bytes and none beyond.
template <unsigned bits>
KVSTONE_FUNCTION inline void unpack_bytes(std::byte const* packed, std::uint64_t count, std::uint8_t* codes) {
    constexpr unsigned mask = (1U << bits) - 1;
    std::uint64_t i = 0;
    for (; i + 64 <= count; i += 64) unpack_64_bytes<bits>(packed + i / 8 * bits, codes + i);
    for (; i < count; ++i) {
        auto const bit = i * bits;
        auto const byte = bit / 8;
        unsigned word = static_cast<unsigned>(packed[byte]);
        if (bit % 8 + bits > 8) word |= static_cast<unsigned>(packed[byte + 1]) << 8;
        codes[i] = static_cast<std::uint8_t>(word >> bit % 8 & mask);
    }
}

/// 64 codes of 9 to 12 bits to 8 `bits` bytes: two joined words make eight codes, the first eight bytes as one word, the
/// others as another.
template <unsigned bits>
KVSTONE_FUNCTION inline void pack_64_words(std::uint16_t const* codes, std::byte* packed) {
    std::uint64_t words[16];
    std::memcpy(words, codes, 128);
    for (int i = 0; i < 16; ++i) words[i] = join_words(words[i], bits);
    for (unsigned i = 0; i < 8; ++i) {
        std::uint64_t const first = words[2 * i] | words[2 * i + 1] << 4 * bits;
        std::uint64_t const second = words[2 * i + 1] >> (64 - 4 * bits);
        std::memcpy(packed + i * bits, &first, sizeof(first));
        std::memcpy(packed + i * bits + 8, &second, bits - 8);
    }
}

template <unsigned bits>
KVSTONE_FUNCTION inline void unpack_64_words(std::byte const* packed, std::uint16_t* codes) {
    std::uint64_t words[16];
    for (unsigned i = 0; i < 8; ++i) {
        std::uint64_t first = 0;
        std::uint64_t second = 0;
        std::memcpy(&first, packed + i * bits, sizeof(first));
        std::memcpy(&second, packed + i * bits + 8, bits - 8);
        words[2 * i] = first;
        words[2 * i + 1] = first >> 4 * bits | second << (64 - 4 * bits);
    }
    for (int i = 0; i < 16; ++i) words[i] = split_words(words[i], bits);
    std::memcpy(codes, words, 128);
}

/// Packs `count` codes of 9 to 12 bits.
template <unsigned bits>
KVSTONE_FUNCTION inline void pack_words(std::uint16_t const* codes, std::uint64_t count, std::byte* packed) {
    std::uint64_t i = 0;
    for (; i + 64 <= count; i += 64) pack_64_words<bits>(codes + i, packed + i / 8 * bits);
    auto* at = packed + i / 8 * bits;
    std::uint32_t waiting = 0;
    unsigned held = 0;
    for (; i < count; ++i) {
        waiting |= static_cast<std::uint32_t>(codes[i]) << held;
        for (held += bits; held >= 8; held -= 8, waiting >>= 8) *at++ = static_cast<std::byte>(waiting & 0xffU);
    }
    if (held > 0) *at = static_cast<std::byte>(waiting & 0xffU);
}

template <unsigned bits>
KVSTONE_FUNCTION inline void unpack_words(std::byte const* packed, std::uint64_t count, std::uint16_t* codes) {
    constexpr std::uint32_t mask = (1U << bits) - 1;
    std::uint64_t i = 0;
    for (; i + 64 <= count; i += 64) unpack_64_words<bits>(packed + i / 8 * bits, codes + i);
    for (; i < count; ++i) {
        auto const bit = i * bits;
        auto const byte = bit / 8;
        auto word = static_cast<std::uint32_t>(packed[byte]) | static_cast<std::uint32_t>(packed[byte + 1]) << 8;
        if (bit % 8 + bits > 16) word |= static_cast<std::uint32_t>(packed[byte + 2]) << 16;
        codes[i] = static_cast<std::uint16_t>(word >> bit % 8 & mask);
    }
}

/// action(code) with a code of the type that holds `bits` bits: std::uint8_t up to 8, std::uint16_t above.
template <class Action>
void with_code_type(unsigned bits, Action const& action) {
    if (bits > 8) {
        action(std::uint16_t{});
    } else {
        action(std::uint8_t{});
    }
}

/// The same with the number of bits known when running. Code is std::uint8_t up to 8 bits, std::uint16_t from 9 to 12.
template <class Code>
KVSTONE_FUNCTION inline void pack_codes(unsigned bits, Code const* codes, std::uint64_t count, std::byte* packed) {
    if constexpr (sizeof(Code) == 1) {
        switch (bits) {
            case 1:
                return pack_bytes<1>(codes, count, packed);
            case 2:
                return pack_bytes<2>(codes, count, packed);
            case 3:
                return pack_bytes<3>(codes, count, packed);
            case 4:
                return pack_bytes<4>(codes, count, packed);
            case 5:
                return pack_bytes<5>(codes, count, packed);
            case 6:
                return pack_bytes<6>(codes, count, packed);
            case 7:
                return pack_bytes<7>(codes, count, packed);
            default:
                return pack_bytes<8>(codes, count, packed);
        }
    } else {
        switch (bits) {
            case 9:
                return pack_words<9>(codes, count, packed);
            case 10:
                return pack_words<10>(codes, count, packed);
            case 11:
                return pack_words<11>(codes, count, packed);
            default:
                return pack_words<12>(codes, count, packed);
        }
    }
}

template <class Code>
KVSTONE_FUNCTION inline void unpack_codes(unsigned bits, std::byte const* packed, std::uint64_t count, Code* codes) {
    if constexpr (sizeof(Code) == 1) {
        switch (bits) {
            case 1:
                return unpack_bytes<1>(packed, count, codes);
            case 2:
                return unpack_bytes<2>(packed, count, codes);
            case 3:
                return unpack_bytes<3>(packed, count, codes);
            case 4:
                return unpack_bytes<4>(packed, count, codes);
            case 5:
                return unpack_bytes<5>(packed, count, codes);
            case 6:
                return unpack_bytes<6>(packed, count, codes);
            case 7:
                return unpack_bytes<7>(packed, count, codes);
            default:
                return unpack_bytes<8>(packed, count, codes);
        }
    } else {
        switch (bits) {
            case 9:
                return unpack_words<9>(packed, count, codes);
            case 10:
                return unpack_words<10>(packed, count, codes);
            case 11:
                return unpack_words<11>(packed, count, codes);
            default:
                return unpack_words<12>(packed, count, codes);
        }
    }
}

/// Packs what fill(codes) writes to its place for `count` codes, at most `most`; codes of whole bytes are written where they
/// belong.
template <class Code, std::uint64_t most, class Fill>
KVSTONE_INLINE_ALWAYS void pack_filled(unsigned bits, std::uint64_t count, std::byte* packed, Fill const& fill) {
    if (bits == 8 && sizeof(Code) == 1) return fill(reinterpret_cast<Code*>(packed));
    Code codes[most];
    fill(codes);
    pack_codes(bits, codes, count, packed);
}
/// `count` codes, unpacked into `buffer` where they are not whole bytes already.
template <class Code>
KVSTONE_INLINE_ALWAYS Code const* unpacked(unsigned bits, std::byte const* packed, std::uint64_t count, Code* buffer) {
    if (bits == 8 && sizeof(Code) == 1) return reinterpret_cast<Code const*>(packed);
    unpack_codes(bits, packed, count, buffer);
    return buffer;
}

}  // namespace kvstone
