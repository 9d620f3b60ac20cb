#pragma once
// What decoders make of a number that they computed.

#include "backends/kernels/floats.hpp"

namespace kvstone {

/// A float as a T, to nearest as from_float(), but that a finite value stays finite: what would round to an infinity is
/// the largest number of T. A scale that was rounded up takes values that T can hold a little beyond its largest number
/// (binary16: 127 times 516 where 65504 was coded), and the largest number is nearer to every value that T can hold.
template <class T>
KVSTONE_FUNCTION inline T nearest_element(float value) {
    return from_float<T>(value);
}

template <std::uint16_t infinity>
KVSTONE_FUNCTION inline std::uint16_t without_new_infinity(float value, std::uint16_t bits) {
    auto const is_infinite = (std::bit_cast<std::uint32_t>(value) & 0x7fffffffU) == 0x7f800000U;
    auto const becomes_infinite = (bits & 0x7fffU) == infinity;
    return static_cast<std::uint16_t>(bits - (becomes_infinite && !is_infinite ? 1U : 0U));
}

template <>
KVSTONE_FUNCTION inline Float16 nearest_element<Float16>(float value) {
    return {without_new_infinity<0x7c00>(value, from_float<Float16>(value).bits)};
}

template <>
KVSTONE_FUNCTION inline BFloat16 nearest_element<BFloat16>(float value) {
    return {without_new_infinity<0x7f80>(value, from_float<BFloat16>(value).bits)};
}

}  // namespace kvstone
