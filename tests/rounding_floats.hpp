#pragma once
// Floats at which roundings to fewer bits differ.

#include <bit>
#include <cstdint>
#include <vector>

namespace kvstone {

/// Of every exponent and sign: both ends of the mantissa, and of every number of bits that are cut off the tie behind some
/// even and odd ones, and its neighbours. Inf, NaN of many kinds, denormals and both zeros are among them.
inline std::vector<float> rounding_floats() {
    std::vector<float> floats;
    for (std::uint32_t exponent = 0; exponent < 512; ++exponent) {
        auto const add = [&](std::uint32_t mantissa) {
            floats.push_back(std::bit_cast<float>(exponent << 23 | (mantissa & 0x7fffffU)));
        };
        for (std::uint32_t const end : {0U, 1U, 0x7fffffU}) add(end);
        for (unsigned cut = 1; cut <= 23; ++cut) {
            auto const tie = 1U << (cut - 1);
            for (std::uint32_t const kept : {0U, 1U, 2U, 3U, 6U, 0x7ffffeU, 0x7fffffU}) {
                auto const place = (kept << cut) | tie;
                for (auto const mantissa : {place - 1, place, place + 1}) add(mantissa);
            }
        }
    }
    return floats;
}

}  // namespace kvstone
