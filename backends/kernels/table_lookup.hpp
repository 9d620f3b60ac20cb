#pragma once
// Searching and reading small tables of floats, value by value: the generic form, which devices run and tests compare with.

#include <cstdint>

#include <Kokkos_Macros.hpp>

#include "backends/kernels/nearest_element.hpp"

namespace kvstone {

/// Most bits of a code that count_below() finds.
inline constexpr unsigned most_searched_bits = 5;

/// How many of 2^bits - 1 ascending thresholds are below a value, NaN taken for 0: compared with all.
template <unsigned bits>
KOKKOS_FORCEINLINE_FUNCTION std::uint32_t thresholds_below(float const* thresholds, float value) {
    value = value == value ? value : 0.0F;
    std::uint32_t code = 0;
    for (std::uint32_t k = 0; k < (1U << bits) - 1; ++k) code += value > thresholds[k] ? 1 : 0;
    return code;
}

template <unsigned bits>
KOKKOS_INLINE_FUNCTION void count_below(float const* thresholds, float const* values, std::uint64_t count,
                                        std::uint8_t* codes) {
    for (std::uint64_t i = 0; i < count; ++i) {
        codes[i] = static_cast<std::uint8_t>(thresholds_below<bits>(thresholds, values[i]));
    }
}

/// codes[i] = how many of the 2^bits - 1 ascending thresholds are below values[i], NaN taken for 0. bits <= 5.
KOKKOS_INLINE_FUNCTION void count_below(unsigned bits, float const* thresholds, float const* values,
                                        std::uint64_t count, std::uint8_t* codes) {
    switch (bits) {
        case 1:
            return count_below<1>(thresholds, values, count, codes);
        case 2:
            return count_below<2>(thresholds, values, count, codes);
        case 3:
            return count_below<3>(thresholds, values, count, codes);
        case 4:
            return count_below<4>(thresholds, values, count, codes);
        default:
            return count_below<5>(thresholds, values, count, codes);
    }
}

/// values[i] = table[codes[i]] * factor.
template <class T>
KOKKOS_INLINE_FUNCTION void look_up(float const* table, float factor, std::uint8_t const* codes, std::uint64_t count,
                                    T* values) {
    for (std::uint64_t i = 0; i < count; ++i) values[i] = nearest_element<T>(table[codes[i]] * factor);
}

}  // namespace kvstone
