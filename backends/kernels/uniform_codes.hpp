#pragma once
// Between floats and the codes of a uniform grid, one value after the other.
//
// code = round((value - origin) / step), between 0 and 2^bits - 1 without a sign; with a sign the origin is 0 and codes lie
// between -(2^(bits-1) - 1) and that, as two's complement. NaN counts as 0, to nearest, ties to even.

#include <bit>
#include <cstdint>

#include "backends/function.hpp"
#include "backends/kernels/nearest_element.hpp"

namespace kvstone {

/// Codes of values with an origin and a factor, one over the step, from tables of them.
template <bool with_sign_>
struct GridCodes {
    static constexpr bool with_sign = with_sign_;
    unsigned bits;
    float const* zero;
    float const* inverse;

    KVSTONE_FUNCTION inline std::uint32_t mask() const { return (1U << bits) - 1U; }
    KVSTONE_FUNCTION inline float most() const {
        return static_cast<float>((1U << (with_sign ? bits - 1 : bits)) - 1U);
    }
    KVSTONE_FUNCTION inline float least() const { return with_sign ? -most() : 0.0F; }

    /// Of a value that entry `at` of the tables is for; bits above the code's are any.
    KVSTONE_INLINE_ALWAYS std::uint32_t operator()(std::uint64_t at, float value) const {
        if constexpr (!with_sign) value = (value == value ? value : 0.0F) - zero[at];
        float code = value * inverse[at];
        if constexpr (with_sign) code = code == code ? code : 0.0F;
        code = code > most() ? most() : code;
        code = code < least() ? least() : code;
        // Adding 1.5 x 2^23 rounds to a whole number, which the low bits then hold as two's complement.
        return std::bit_cast<std::uint32_t>(code + 12582912.0F);
    }
};

/// codes[i] = the code of values[i]; origins and steps are those of all, or `of_each` one for each value.
template <bool of_each, class Grid, class T, class Code>
KVSTONE_INLINE_ALWAYS void grid_codes(Grid const& grid, T const* __restrict__ values, std::uint64_t count,
                                      Code* __restrict__ codes) {
    auto const mask = static_cast<Code>(grid.mask());
    // Whole blocks of a fixed length vectorise.
    constexpr std::uint64_t block = 32;
    std::uint64_t done = 0;
    for (; done + block <= count; done += block) {
        std::uint32_t words[block];
        for (std::uint64_t i = 0; i < block; ++i) words[i] = grid(of_each ? done + i : 0, to_float(values[done + i]));
        for (std::uint64_t i = 0; i < block; ++i) codes[done + i] = static_cast<Code>(words[i]) & mask;
    }
    for (; done < count; ++done) {
        codes[done] = static_cast<Code>(grid(of_each ? done : 0, to_float(values[done]))) & mask;
    }
}

/// values[i] = origin + number * step of code i, `of_each` as in grid_codes().
template <bool of_each, bool with_sign, class T, class Code>
KVSTONE_INLINE_ALWAYS void grid_values(Code const* __restrict__ codes, std::uint64_t count, unsigned bits,
                                       float const* __restrict__ zero, float const* __restrict__ scale,
                                       T* __restrict__ values) {
    auto const sign = with_sign ? 1 << (bits - 1) : 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const at = of_each ? i : 0;
        auto const product = static_cast<float>((static_cast<std::int32_t>(codes[i]) ^ sign) - sign) * scale[at];
        values[i] = nearest_element<T>(with_sign ? product : zero[at] + product);
    }
}

}  // namespace kvstone
