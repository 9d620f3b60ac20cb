#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstone {

/// Adds how often each byte occurs to counts[256]. count < 2^32.
inline void count_symbols(std::uint8_t const* symbols, std::size_t count, std::uint64_t* counts) {
    // Eight tables: a byte that repeats would wait for the count of the one before.
    std::array<std::array<std::uint32_t, 256>, 8> parts{};
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, symbols + i, sizeof(eight));
        for (unsigned k = 0; k < 8; ++k) ++parts[k][eight >> (8 * k) & 0xffU];
    }
    for (; i < count; ++i) ++parts[0][symbols[i]];
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        for (auto const& part : parts) counts[symbol] += part[symbol];
    }
}

}  // namespace kvstone
