#pragma once
// e to the power of x, x not above zero, in arithmetic that vectorises: the library's own does not without -ffast-math.

#include <bit>
#include <cstdint>

#include "backends/function.hpp"

namespace kvstone {

/// exp(x) for x <= 0, within 2 units in the last place; 0 below -708, where the exact value would soon be denormal.
/// x = n ln 2 + r with |r| <= ln(2)/2, Taylor's polynomial of degree 13 in r (its remainder is 5e-18), times 2^n.
KVSTONE_FUNCTION inline double exponential_of_nonpositive(double x) {
    constexpr double shift = 0x1.8p52;  // adding it leaves the nearest whole number in the last bits
    double const shifted = x * 0x1.71547652b82fep0 + shift;
    double const whole = shifted - shift;
    // ln 2 in two parts, the first so short that its products with whole numbers are exact.
    double const r = (x - whole * 0x1.62e42fee00000p-1) - whole * 0x1.a39ef35793c76p-33;
    double sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1;
    sum = sum * r + 1;
    auto const bits = std::bit_cast<std::uint64_t>(sum) + (std::bit_cast<std::uint64_t>(shifted) << 52);
    return x < -708 ? 0.0 : std::bit_cast<double>(bits);
}

}  // namespace kvstone
