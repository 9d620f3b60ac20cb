#pragma once
// Codes of 1 to 16 bits, packed without gaps.
//
// Format: code i of a row takes bits [i b, (i+1) b) of the row's bytes, the lowest bit of a byte first; a row ends with
// zero bits up to a whole byte. Eight codes are exactly b bytes. Example: 3-bit codes 1, 2, 7 -> d1 01 (binary
// 1 1101 0001).
//
// Loops are over words of eight (or, above 8 bits, four) codes, which move together in two or three steps: they
// vectorise, and run as they are on a device.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <Kokkos_Macros.hpp>

namespace kvstone {

KOKKOS_INLINE_FUNCTION constexpr std::uint64_t packed_bytes(std::uint64_t codes, unsigned bits) {
    return (codes * bits + 7) / 8;
}

/// Eight codes below 2^bits, one a byte, side by side. bits <= 8.
KOKKOS_INLINE_FUNCTION std::uint64_t join_bytes(std::uint64_t x, unsigned bits) {
    x = (x & 0x00ff00ff00ff00ffU) | ((x & 0xff00ff00ff00ff00U) >> (8 - bits));
    x = (x & 0x0000ffff0000ffffU) | ((x & 0xffff0000ffff0000U) >> (16 - 2 * bits));
    return (x & 0x00000000ffffffffU) | ((x & 0xffffffff00000000U) >> (32 - 4 * bits));
}

/// The opposite; bits above the eight codes are ignored.
KOKKOS_INLINE_FUNCTION std::uint64_t split_bytes(std::uint64_t x, unsigned bits) {
    auto const low = [](unsigned count) -> std::uint64_t { return (std::uint64_t{1} << count) - 1; };
    auto const half = low(4 * bits);
    x = (x & half) | ((x & (half << 4 * bits)) << (32 - 4 * bits));
    auto const quarter = low(2 * bits) * 0x0000000100000001U;
    x = (x & quarter) | ((x & (quarter << 2 * bits)) << (16 - 2 * bits));
    auto const eighth = low(bits) * 0x0001000100010001U;
    return (x & eighth) | ((x & (eighth << bits)) << (8 - bits));
}

/// Four codes below 2^bits, one in 16 bits, side by side. 8 < bits <= 16.
KOKKOS_INLINE_FUNCTION std::uint64_t join_words(std::uint64_t x, unsigned bits) {
    x = (x & 0x0000ffff0000ffffU) | ((x & 0xffff0000ffff0000U) >> (16 - bits));
    return (x & 0x00000000ffffffffU) | ((x & 0xffffffff00000000U) >> (32 - 2 * bits));
}
KOKKOS_INLINE_FUNCTION std::uint64_t split_words(std::uint64_t x, unsigned bits) {
    auto const half = (std::uint64_t{1} << 2 * bits) - 1;
    x = (x & half) | ((x & (half << 2 * bits)) << (32 - 2 * bits));
    auto const quarter = ((std::uint64_t{1} << bits) - 1) * 0x0000000100000001U;
    return (x & quarter) | ((x & (quarter << bits)) << (16 - bits));
}

template <class T>
KOKKOS_INLINE_FUNCTION T load_as(void const* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

/// Packs `count` codes of at most 8 bits; writes packed_bytes(count, bits) bytes and none beyond.
template <unsigned bits>
KOKKOS_INLINE_FUNCTION void pack_bytes(std::uint8_t const* codes, std::uint64_t count, std::byte* packed) {
    std::uint64_t i = 0;
    if constexpr (bits == 8) {
        std::memcpy(packed, codes, count);
        return;
    } else if constexpr (bits == 4) {
        for (; i + 2 <= count; i += 2) packed[i / 2] = static_cast<std::byte>(codes[i] | codes[i + 1] << 4);
    } else if constexpr (bits == 2) {
        for (; i + 4 <= count; i += 4) {
            packed[i / 4] =
                static_cast<std::byte>(codes[i] | codes[i + 1] << 2 | codes[i + 2] << 4 | codes[i + 3] << 6);
        }
    } else {
        // Whole words as long as they end within the row: what one writes too much, the next writes again.
        for (; i / 8 * bits + 8 <= packed_bytes(count, bits) && i + 8 <= count; i += 8) {
            auto const word = join_bytes(load_as<std::uint64_t>(codes + i), bits);
            std::memcpy(packed + i / 8 * bits, &word, sizeof(word));
        }
    }
    for (; i < count; i += 8) {
        auto const now = count - i < 8 ? count - i : 8;
        std::uint64_t word = 0;
        for (std::uint64_t k = 0; k < now; ++k) word |= static_cast<std::uint64_t>(codes[i + k]) << k * bits;
        for (std::uint64_t b = 0; b < packed_bytes(now, bits); ++b) {
            packed[i * bits / 8 + b] = static_cast<std::byte>(word >> 8 * b & 0xffU);
        }
    }
}

/// The opposite; reads packed_bytes(count, bits) bytes and none beyond.
template <unsigned bits>
KOKKOS_INLINE_FUNCTION void unpack_bytes(std::byte const* packed, std::uint64_t count, std::uint8_t* codes) {
    constexpr unsigned mask = (1U << bits) - 1;
    std::uint64_t i = 0;
    if constexpr (bits == 8) {
        std::memcpy(codes, packed, count);
        return;
    } else if constexpr (bits == 4 || bits == 2) {
        constexpr std::uint64_t per_byte = 8 / bits;
        for (; i + per_byte <= count; i += per_byte) {
            auto const byte = static_cast<unsigned>(packed[i / per_byte]);
            for (unsigned k = 0; k < per_byte; ++k) {
                codes[i + k] = static_cast<std::uint8_t>(byte >> k * bits & mask);
            }
        }
    } else {
        for (; i / 8 * bits + 8 <= packed_bytes(count, bits) && i + 8 <= count; i += 8) {
            auto const codes_now = split_bytes(load_as<std::uint64_t>(packed + i / 8 * bits), bits);
            std::memcpy(codes + i, &codes_now, sizeof(codes_now));
        }
    }
    for (; i < count; ++i) {
        auto const bit = i * bits;
        auto const byte = bit / 8;
        unsigned word = static_cast<unsigned>(packed[byte]);
        if (bit % 8 + bits > 8) word |= static_cast<unsigned>(packed[byte + 1]) << 8;
        codes[i] = static_cast<std::uint8_t>(word >> bit % 8 & mask);
    }
}

/// Packs `count` codes of 9 to 16 bits.
template <unsigned bits>
KOKKOS_INLINE_FUNCTION void pack_words(std::uint16_t const* codes, std::uint64_t count, std::byte* packed) {
    if constexpr (bits == 16) {
        std::memcpy(packed, codes, count * sizeof(*codes));
        return;
    }
    std::uint64_t i = 0;
    // Two joined words make 8 bits bytes: the first eight as one word, the rest as another.
    for (; i + 16 <= count; i += 8) {
        auto const low = join_words(load_as<std::uint64_t>(codes + i), bits);
        auto const high = join_words(load_as<std::uint64_t>(codes + i + 4), bits);
        std::uint64_t const first = low | high << 4 * bits;
        std::uint64_t const second = high >> (64 - 4 * bits);
        std::memcpy(packed + i / 8 * bits, &first, sizeof(first));
        std::memcpy(packed + i / 8 * bits + 8, &second, sizeof(second));
    }
    for (; i < count; i += 8) {
        auto const now = count - i < 8 ? count - i : 8;
        auto* const at = packed + i / 8 * bits;
        std::uint32_t waiting = 0;
        unsigned held = 0;
        std::uint64_t written = 0;
        for (std::uint64_t k = 0; k < now; ++k) {
            waiting |= static_cast<std::uint32_t>(codes[i + k]) << held;
            for (held += bits; held >= 8; held -= 8, waiting >>= 8) {
                at[written++] = static_cast<std::byte>(waiting & 0xffU);
            }
        }
        if (held > 0) at[written] = static_cast<std::byte>(waiting & 0xffU);
    }
}

template <unsigned bits>
KOKKOS_INLINE_FUNCTION void unpack_words(std::byte const* packed, std::uint64_t count, std::uint16_t* codes) {
    if constexpr (bits == 16) {
        std::memcpy(codes, packed, count * sizeof(*codes));
        return;
    }
    constexpr std::uint32_t mask = (1U << bits) - 1;
    std::uint64_t i = 0;
    for (; i + 16 <= count; i += 8) {
        auto const first = load_as<std::uint64_t>(packed + i / 8 * bits);
        auto const second = load_as<std::uint64_t>(packed + i / 8 * bits + 8);
        auto const low = split_words(first, bits);
        auto const high = split_words(first >> 4 * bits | second << (64 - 4 * bits), bits);
        std::memcpy(codes + i, &low, sizeof(low));
        std::memcpy(codes + i + 4, &high, sizeof(high));
    }
    for (; i < count; ++i) {
        auto const bit = i * bits;
        auto const byte = bit / 8;
        auto word = static_cast<std::uint32_t>(packed[byte]) | static_cast<std::uint32_t>(packed[byte + 1]) << 8;
        if (bit % 8 + bits > 16) word |= static_cast<std::uint32_t>(packed[byte + 2]) << 16;
        codes[i] = static_cast<std::uint16_t>(word >> bit % 8 & mask);
    }
}

/// The same with the number of bits known when running. Code is std::uint8_t up to 8 bits, std::uint16_t from 9 to 12.
template <class Code>
KOKKOS_INLINE_FUNCTION void pack_codes(unsigned bits, Code const* codes, std::uint64_t count, std::byte* packed) {
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
KOKKOS_INLINE_FUNCTION void unpack_codes(unsigned bits, std::byte const* packed, std::uint64_t count, Code* codes) {
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

}  // namespace kvstone
