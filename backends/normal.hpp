#pragma once
// Random words to values of a distribution (normal ones by Box and Muller 1958), written so that compilers vectorise them and so that
// they come out alike whatever the vector width: no library call, and the file that includes it forbids contraction.

#include <bit>
#include <cmath>
#include <cstdint>

namespace kvstone {

/// Natural logarithm of a positive normal float, to 1e-7 (Cephes' logf).
inline float log_positive(float value) {
    auto const bits = std::bit_cast<std::int32_t>(value);
    // The mantissa is brought to [sqrt(1/2), sqrt(2)).
    std::int32_t const shifted = bits - 0x3f3504f3;
    auto const exponent = static_cast<float>(shifted >> 23);
    float const x = std::bit_cast<float>((shifted & 0x007fffff) + 0x3f3504f3) - 1.0F;
    float const square = x * x;
    float y = 7.0376836292e-2F;
    y = y * x - 1.1514610310e-1F;
    y = y * x + 1.1676998740e-1F;
    y = y * x - 1.2420140846e-1F;
    y = y * x + 1.4249322787e-1F;
    y = y * x - 1.6668057665e-1F;
    y = y * x + 2.0000714765e-1F;
    y = y * x - 2.4999993993e-1F;
    y = y * x + 3.3333331174e-1F;
    y = y * x * square + exponent * -2.12194440e-4F - 0.5F * square;
    return x + y + exponent * 0.693359375F;
}

struct NormalPair {
    float first;
    float second;
};

/// (word + 1/2) / 2^32: uniform in (0, 1]. Vector units convert signed numbers alone.
inline float unit_uniform(std::uint32_t word) {
    return (static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 256.0F +
            (static_cast<float>(static_cast<std::int32_t>(word & 255U)) + 0.5F)) *
           0x1p-32F;
}

/// Two independent N(0,1) values from two random words; none is beyond 6.77.
inline NormalPair normal_pair(std::uint32_t radius_word, std::uint32_t angle_word) {
    float const radius = std::sqrt(-2.0F * log_positive(unit_uniform(radius_word)));
    // The angle: a quarter turn by the two highest bits, the rest as x in [-pi/4, pi/4).
    std::uint32_t const quarter = angle_word >> 30;
    float const x = static_cast<float>(static_cast<std::int32_t>(angle_word << 2) >> 8) * (0.78539816339F * 0x1p-23F);
    float const square = x * x;
    float const sine = x + x * square * (-1.6666654611e-1F + square * (8.3321608736e-3F - square * 1.9515295891e-4F));
    float const cosine =
        1.0F - 0.5F * square +
        square * square * (4.166664568298827e-2F + square * (-1.388731625493765e-3F + square * 2.443315711809948e-5F));
    bool const swap = (quarter & 1U) != 0;
    float const sign = (quarter & 2U) != 0 ? -radius : radius;
    float const first = swap ? -sine : cosine;
    float const second = swap ? cosine : sine;
    return {sign * first, sign * second};
}

/// Student's t with 4 degrees of freedom, scaled to variance 1: z sqrt(4 / chi^2) / sqrt(2) with chi^2 = -2 ln(u v).
/// From four random words; none is beyond 7e4.
inline float heavy_tailed(std::uint32_t first, std::uint32_t second, std::uint32_t third, std::uint32_t fourth) {
    // u and v that round to 1 have a logarithm of 0: a sum of two of these would be a divisor of 0.
    float const half_chi_square = -log_positive(unit_uniform(third)) - log_positive(unit_uniform(fourth));
    return normal_pair(first, second).first / std::sqrt(half_chi_square > 1e-8F ? half_chi_square : 1e-8F);
}

}  // namespace kvstone
