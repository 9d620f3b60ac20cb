#pragma once
// Numbers of 8 or 16 bits taken apart: exponents, a byte each, and the remainders, sign and mantissa.
//
// A remainder, with the sign above the mantissa, has as many bits as mantissa and sign have. Of a number of 16 bits its low
// byte is one of a row of bytes, and only the bits above are packed (codecs/kernels/bit_packing.hpp): 3 of binary16, none
// of bfloat16; of a number of 8 bits all of them: 4 of E4M3, 3 of E5M2.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codecs/kernels/bit_packing.hpp"

namespace kvstone {

/// Word: the unsigned integer of a number's size.
template <class NumberWord, unsigned exponent_width, unsigned mantissa_width>
struct NumberSplit {
    using Word = NumberWord;
    static constexpr unsigned exponent_bits = exponent_width;
    static constexpr unsigned mantissa_bits = mantissa_width;
    static constexpr bool has_low_bytes = sizeof(Word) == 2;
    static constexpr unsigned packed_bits = mantissa_width + 1 - (has_low_bytes ? 8 : 0);
    static constexpr std::size_t chunk = 1024;

    static constexpr unsigned exponent_mask = (1U << exponent_width) - 1;
    static constexpr unsigned mantissa_mask = (1U << mantissa_width) - 1;

    static constexpr unsigned exponent_of(unsigned word) { return word >> mantissa_width & exponent_mask; }
    static constexpr unsigned rest_of(unsigned word) {
        return word >> (exponent_width + mantissa_width) << mantissa_width | (word & mantissa_mask);
    }
    static constexpr Word joined(unsigned rest, unsigned exponent) {
        return static_cast<Word>(rest >> mantissa_width << (exponent_width + mantissa_width) |
                                 (exponent & exponent_mask) << mantissa_width | (rest & mantissa_mask));
    }

    static void exponents(std::byte const* numbers, std::size_t count, std::uint8_t* to) {
        auto const* const words = reinterpret_cast<Word const*>(numbers);
        for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(exponent_of(words[i]));
    }

    /// low: a byte for each number, or unused; packed: packed_bytes(count, packed_bits).
    static void rests(std::byte const* numbers, std::size_t count, std::byte* low, std::byte* packed) {
        auto const* const words = reinterpret_cast<Word const*>(numbers);
        std::array<std::uint8_t, chunk> high;
        for (std::size_t first = 0; first < count; first += chunk) {
            auto const now = std::min(chunk, count - first);
            auto const* const from = words + first;
            if constexpr (has_low_bytes) {
                auto* const to = reinterpret_cast<std::uint8_t*>(low) + first;
                for (std::size_t i = 0; i < now; ++i) to[i] = static_cast<std::uint8_t>(rest_of(from[i]));
            }
            if constexpr (packed_bits > 0) {
                for (std::size_t i = 0; i < now; ++i)
                    high[i] = static_cast<std::uint8_t>(rest_of(from[i]) >> (has_low_bytes ? 8 : 0));
                pack_bytes<packed_bits>(high.data(), now, packed + first / 8 * packed_bits);
            }
        }
    }

    static void join(std::uint8_t const* exponents, std::byte const* low, std::byte const* packed, std::size_t count,
                     std::byte* numbers) {
        auto* const words = reinterpret_cast<Word*>(numbers);
        std::array<std::uint8_t, chunk> high{};
        for (std::size_t first = 0; first < count; first += chunk) {
            auto const now = std::min(chunk, count - first);
            if constexpr (packed_bits > 0)
                unpack_bytes<packed_bits>(packed + first / 8 * packed_bits, now, high.data());
            auto const* const lows = reinterpret_cast<std::uint8_t const*>(low) + (has_low_bytes ? first : 0);
            for (std::size_t i = 0; i < now; ++i) {
                unsigned const rest = has_low_bytes ? lows[i] | high[i] << 8 : high[i];
                words[first + i] = joined(rest, exponents[first + i]);
            }
        }
    }
};

using Fp16Split = NumberSplit<std::uint16_t, 5, 10>;
using Bf16Split = NumberSplit<std::uint16_t, 8, 7>;
using Fp8E4m3Split = NumberSplit<std::uint8_t, 4, 3>;
using Fp8E5m2Split = NumberSplit<std::uint8_t, 5, 2>;

}  // namespace kvstone
