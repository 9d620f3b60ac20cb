// Sums of two doubles carry about 104 bits through the steps that matter (Dekker 1971, Knuth 1969), so that rounding them to
// one is all but always the correct rounding. The small terms of a series need no more than one double. No operation may be
// contracted: the flags of the project see to it.

#include "backends/portable_math.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace kvstone::portable {
namespace {

/// high + low, where low is at most half a unit in the last place of high.
struct Double2 {
    double high = 0;
    double low = 0;
};

/// The exact sum of numbers of which the first is the larger, or 0.
Double2 sum_of_ordered(double a, double b) {
    double const sum = a + b;
    return {sum, b - (sum - a)};
}

Double2 sum_of(double a, double b) {
    double const sum = a + b;
    double const other = sum - a;
    return {sum, (a - (sum - other)) + (b - other)};
}

/// The exact product, by halves of 26 bits.
Double2 product_of(double a, double b) {
    constexpr double splitter = 134217729;  // 2^27 + 1
    double const a_high = splitter * a - (splitter * a - a), a_low = a - a_high;
    double const b_high = splitter * b - (splitter * b - b), b_low = b - b_high;
    double const product = a * b;
    return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

Double2 operator+(Double2 a, Double2 b) {
    auto const high = sum_of(a.high, b.high), low = sum_of(a.low, b.low);
    auto const sum = sum_of_ordered(high.high, high.low + low.high);
    return sum_of_ordered(sum.high, sum.low + low.low);
}
Double2 operator-(Double2 a) { return {-a.high, -a.low}; }
Double2 operator-(Double2 a, Double2 b) { return a + -b; }
Double2 operator*(Double2 a, Double2 b) {
    auto const product = product_of(a.high, b.high);
    return sum_of_ordered(product.high, product.low + (a.high * b.low + a.low * b.high));
}
Double2 scaled(Double2 a, double power_of_two) { return {a.high * power_of_two, a.low * power_of_two}; }

constexpr Double2 log2_e{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

/// x - n * constant, where the constant is the sum of `parts`.
template <std::size_t count>
Double2 without_multiple(Double2 x, double n, std::array<double, count> const& parts) {
    for (double const part : parts) x = x - Double2{n * part};
    return x;
}

/// Parts of ln 2 and pi / 2 have 26 bits, so that their products with n below 2^27 are exact.
constexpr std::array ln_2_parts{0x1.62e42f8p-1, 0x1.be8e7b8p-27, 0x1.35793cp-53, 0x1.d9cc018p-79, 0x1.e5ed5e8p-105};
constexpr std::array half_pi_parts{0x1.921fb5p+0, 0x1.110b46p-26, 0x1.1a6263p-54, 0x1.8a2e03p-81, 0x1.c1cd128p-107};

/// 1/k!
constexpr auto reciprocal_factorials = [] {
    std::array<double, 26> table{1};
    double factorial = 1;  // exact up to 22!, and then near enough
    for (std::size_t k = 1; k < table.size(); ++k) table[k] = 1 / (factorial *= static_cast<double>(k));
    return table;
}();
/// What 1/k! has beyond that, where it matters.
constexpr std::array rests_of_reciprocal_factorials{0.0,
                                                    0.0,
                                                    0.0,
                                                    0x1.5555555555555p-57,
                                                    0x1.5555555555555p-59,
                                                    0x1.1111111111111p-63,
                                                    -0x1.f49f49f49f49fp-65,
                                                    0x1.a01a01a01a01ap-73,
                                                    0x1.a01a01a01a01ap-76,
                                                    -0x1.c154f8ddc6cp-73,
                                                    0x1.cbbc05b4fa99ap-76};

Double2 reciprocal_factorial(std::size_t k) { return {reciprocal_factorials[k], rests_of_reciprocal_factorials[k]}; }

/// exp(x) = 2^n (1 + e), where 1 + e is what is left of 8 halvings of x - n ln 2, squared again 8 times.
struct Power {
    double n = 0;
    Double2 e;
};
Power exponential(Double2 x) {
    double const n = std::nearbyint(x.high * log2_e.high);
    auto const rest = scaled(without_multiple(x, n, ln_2_parts), 0x1p-8);
    double small = 0;
    for (std::size_t k = 9; k >= 4; --k) small = (small + reciprocal_factorials[k]) * rest.high;
    Double2 e{small};
    for (std::size_t k = 3; k >= 1; --k) e = (e + reciprocal_factorial(k)) * rest;
    for (int i = 0; i < 8; ++i) e = scaled(e, 2) + e * e;
    return {n, e};
}

double rounded(Power const& power) {
    auto const value = Double2{1} + power.e;
    return std::ldexp(value.high, static_cast<int>(power.n));
}

/// log(x) = exponent * ln 2 + log(mantissa), the mantissa in [sqrt(1/2), sqrt(2)).
struct Logarithm {
    double exponent = 0;
    Double2 of_mantissa;
};
Logarithm logarithm(double x) {
    int exponent = 0;
    double mantissa = std::frexp(x, &exponent);
    if (mantissa < std::numbers::sqrt2 / 2) {
        mantissa *= 2;
        --exponent;
    }
    // A first value from the series of atanh, then one step of Newton's method, which doubles the digits.
    double const s = (mantissa - 1) / (mantissa + 1);
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2) sum = sum * (s * s) + 1.0 / k;
    double const first = 2 * s * sum;
    auto const inverse = exponential({-first});
    auto const ratio =
        scaled(Double2{mantissa} * (Double2{1} + inverse.e), std::ldexp(1.0, static_cast<int>(inverse.n)));
    return {static_cast<double>(exponent), Double2{first} + (ratio - Double2{1})};
}

Double2 natural(Logarithm const& of) { return without_multiple(of.of_mantissa, -of.exponent, ln_2_parts); }

/// Where logarithms are no numbers, or infinite.
bool is_special(double x) { return !(x > 0) || std::isinf(x); }
double special_logarithm(double x) {
    if (x == 0) return -std::numeric_limits<double>::infinity();
    return x > 0 ? x : std::numeric_limits<double>::quiet_NaN();
}

double power_of_e(Double2 x) {
    if (x.high > 710) return std::numeric_limits<double>::infinity();
    if (x.high < -746) return 0;
    return x.high == x.high ? rounded(exponential(x)) : x.high;
}

/// Sine and cosine of r, |r| <= pi / 4 and a little.
Double2 sine(Double2 r) {
    auto const square = r * r;
    double small = 0;
    for (std::size_t k = 25; k >= 11; k -= 2) small = square.high * (reciprocal_factorials[k] - small);
    Double2 sum{small};
    for (std::size_t k = 9; k >= 3; k -= 2) sum = square * (reciprocal_factorial(k) - sum);
    return r - r * sum;
}
Double2 cosine(Double2 r) {
    auto const square = r * r;
    double small = 0;
    for (std::size_t k = 24; k >= 12; k -= 2) small = square.high * (reciprocal_factorials[k] - small);
    Double2 sum{small};
    for (std::size_t k = 10; k >= 2; k -= 2) sum = square * (reciprocal_factorial(k) - sum);
    return Double2{1} - sum;
}

/// sin(x + quarters * pi / 2).
double turned_sine(double x, int quarters) {
    constexpr double largest = 1e8;
    if (!(std::abs(x) <= largest)) return std::numeric_limits<double>::quiet_NaN();
    double const n = std::nearbyint(x * (2 / std::numbers::pi));
    auto const r = without_multiple({x}, n, half_pi_parts);
    auto const turn = (static_cast<std::int64_t>(n) + quarters) & 3;
    double const value = (turn & 1) != 0 ? cosine(r).high : sine(r).high;
    return (turn & 2) != 0 ? -value : value;
}

}  // namespace

double exp(double x) { return power_of_e({x}); }

double log(double x) { return is_special(x) ? special_logarithm(x) : natural(logarithm(x)).high; }

double log2(double x) {
    if (is_special(x)) return special_logarithm(x);
    auto const parts = logarithm(x);
    return (Double2{parts.exponent} + parts.of_mantissa * log2_e).high;
}

double pow(double base, double exponent) {
    if (is_special(base)) return exp(exponent * special_logarithm(base));
    return power_of_e(natural(logarithm(base)) * Double2{exponent});
}

double sin(double x) { return turned_sine(x, 0); }
double cos(double x) { return turned_sine(x, 1); }

}  // namespace kvstone::portable
