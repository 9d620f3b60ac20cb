#pragma once
// Cosine and sine of an angle, in arithmetic that is the same on every processor: the library's own is not
// (portable_math.hpp says why). As fast as that, where correct rounding takes twenty times as long.

#include <cmath>
#include <cstdint>

#include "backends/function.hpp"

namespace kvstone {

struct Rotation {
    double cosine;
    double sine;
};

/// Within 2^-53 of the exact ones for angles up to 10^8; beyond, the library's own. Of infinities and NaN, NaN.
KVSTONE_FUNCTION inline Rotation rotation_by(double angle) {
    constexpr double largest = 1e8, shift = 0x1.8p52;  // adding it leaves the nearest whole number in the last bits
    if (!(angle >= -largest && angle <= largest)) return {std::cos(angle), std::sin(angle)};
    double const quarters = (angle * 0x1.45f306dc9c883p-1 + shift) - shift;
    // angle - quarters pi/2 = r + rest. Two parts of pi/2 have 25 bits, so that their products with quarters are exact.
    double const near = angle - quarters * 0x1.921fb5p+0;
    double const further = quarters * 0x1.110b46p-26;
    double const most = near - further;
    double const lost =
        ((near - (most + (near - most))) + ((near - most) - further)) - quarters * 0x1.1a62633145c07p-54;
    double const r = most + lost;
    double const rest = (most - r) + lost;
    // Taylor's polynomials of degrees 17 and 16, |r| <= pi/4: their remainders are 8e-20 and 2e-18.
    double const square = r * r;
    double sine = 1.0 / 355687428096000;
    sine = sine * square - 1.0 / 1307674368000;
    sine = sine * square + 1.0 / 6227020800;
    sine = sine * square - 1.0 / 39916800;
    sine = sine * square + 1.0 / 362880;
    sine = sine * square - 1.0 / 5040;
    sine = sine * square + 1.0 / 120;
    sine = sine * square - 1.0 / 6;
    sine = r + (sine * square * r + rest);
    double cosine = 1.0 / 20922789888000;
    cosine = cosine * square - 1.0 / 87178291200;
    cosine = cosine * square + 1.0 / 479001600;
    cosine = cosine * square - 1.0 / 3628800;
    cosine = cosine * square + 1.0 / 40320;
    cosine = cosine * square - 1.0 / 720;
    cosine = cosine * square + 1.0 / 24;
    // 1 - square / 2 and what its rounding lost.
    double const half = square * 0.5;
    double const first = 1 - half;
    cosine = first + (((1 - first) - half) + (cosine * square * square - r * rest));
    auto const turn = static_cast<std::int64_t>(quarters);
    bool const odd = (turn & 1) != 0;
    double const x = odd ? sine : cosine;
    double const y = odd ? cosine : sine;
    return {((turn + 1) & 2) != 0 ? -x : x, (turn & 2) != 0 ? -y : y};
}

}  // namespace kvstone
