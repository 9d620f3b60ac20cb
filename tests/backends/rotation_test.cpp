// Sines and cosines of the kernels beside the library's of more digits.

#include "backends/kernels/rotation.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

constexpr double accepted = 0x1p-53;

/// From sine and cosine in long double, whose own error is below 2^-63.
double departure(Rotation const& found, double angle) {
    auto const exact = static_cast<long double>(angle);
    return static_cast<double>(std::fmax(std::fabs(static_cast<long double>(found.cosine) - std::cos(exact)),
                                         std::fabs(static_cast<long double>(found.sine) - std::sin(exact))));
}

TEST(Rotation, IsThatOfTheAngle) {
    double worst = 0;
    auto const look = [&](double angle) {
        for (double const signed_angle : {angle, -angle})
            worst = std::fmax(worst, departure(rotation_by(signed_angle), signed_angle));
    };
    // As RoPE has them: whole numbers times frequencies from 1 down.
    for (std::uint64_t position = 0; position <= 131072; position += position < 128 ? 1 : 64)
        for (double frequency = 1; frequency > 1e-7; frequency *= 0.4) look(static_cast<double>(position) * frequency);
    // Multiples of pi/4 and their neighbours: the quarter changes, or nothing is left of the angle.
    for (std::int64_t eighth = 1; eighth < 120'000'000; eighth += 1 + eighth / 1000) {
        double const angle = static_cast<double>(eighth) * 0x1.921fb54442d18p-1;
        for (double const near : {std::nextafter(angle, 0.0), angle, std::nextafter(angle, 1e9)}) look(near);
    }
    EXPECT_LE(worst, accepted);
    EXPECT_GT(departure(rotation_by(1e7 + 1e-8), 1e7), accepted) << "the comparison sees the last bits";
}

TEST(Rotation, HasTheEndsOfTheLibrarys) {
    EXPECT_EQ(rotation_by(0).cosine, 1);
    EXPECT_EQ(rotation_by(0).sine, 0);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (double const none : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
        EXPECT_TRUE(std::isnan(rotation_by(none).cosine)) << none;
        EXPECT_TRUE(std::isnan(rotation_by(none).sine)) << none;
    }
    for (double large = 1.01e8; large < 1e300; large *= 1.1) {
        EXPECT_EQ(rotation_by(large).cosine, std::cos(large)) << large;
        EXPECT_EQ(rotation_by(-large).sine, std::sin(-large)) << large;
    }
}

}  // namespace
}  // namespace kvstone
