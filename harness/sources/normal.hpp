#pragma once
// Standard normal values from random words (Box and Muller 1958), written so that compilers vectorise them and so that
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

/// Two independent N(0,1) values from two random words; none is beyond 6.77.
inline NormalPair normal_pair(std::uint32_t radius_word, std::uint32_t angle_word) {
    // (word + 1/2) / 2^32 lies in (0, 1]. Signed conversions are what vector units have.
    float const uniform = (static_cast<float>(static_cast<std::int32_t>(radius_word >> 8)) * 256.0F +
                           (static_cast<float>(static_cast<std::int32_t>(radius_word & 255U)) + 0.5F)) *
                          0x1p-32F;
    float const radius = std::sqrt(-2.0F * log_positive(uniform));
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

}  // namespace kvstone
