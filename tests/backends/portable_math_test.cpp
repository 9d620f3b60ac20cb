// Expected values are the doubles nearest to those of 80 decimal digits (Python's decimal).

#include "backends/portable_math.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone::portable {
namespace {

struct Value {
    double x;
    double expected;
};

void expect_exact(char const* name, double (*function)(double), std::vector<Value> const& values) {
    for (auto const& [x, expected] : values) EXPECT_EQ(function(x), expected) << name << ' ' << x;
}

TEST(PortableMath, RoundsCorrectly) {
    expect_exact("exp", exp,
                 {{1, 0x1.5bf0a8b145769p+1},
                  {-1, 0x1.78b56362cef38p-2},
                  {0.1, 0x1.1aec7b35a00d4p+0},
                  {20.5, 0x1.7d6c4f0bcdd5cp+29},
                  {-300.25, 0x1.c758233102acep-434},
                  {700, 0x1.d945df4f8ec8ep+1009},
                  {-1e-9, 0x1.fffffff768fa1p-1}});
    expect_exact("log", log,
                 {{10, 0x1.26bb1bbb55516p+1},
                  {0.1, -0x1.26bb1bbb55515p+1},
                  {1.0000001, 0x1.ad7f2847b6492p-24},
                  {3e-300, -0x1.58d6a52bb2934p+9},
                  {2, 0x1.62e42fefa39efp-1},
                  {0.75, -0x1.269621134db92p-2},
                  {1e300, 0x1.5963447f87fb5p+9}});
    expect_exact("log2", log2,
                 {{3, 0x1.95c01a39fbd68p+0},
                  {10, 0x1.a934f0979a371p+1},
                  {1e-5, -0x1.09c1165ec0627p+4},
                  {0.7, -0x1.0776228967d13p-1},
                  {65535, 0x1.ffffd1d55a205p+3}});
    expect_exact("sin", sin,
                 {{1, 0x1.aed548f090ceep-1},
                  {0.5, 0x1.eaee8744b05fp-2},
                  {100, -0x1.03425b78c4db8p-1},
                  {3, 0x1.210386db6d55bp-3},
                  {1e7, 0x1.aea414a8a3352p-2},
                  {-2.5, -0x1.326af0dcfcab1p-1}});
    expect_exact("cos", cos,
                 {{1, 0x1.14a280fb5068cp-1},
                  {0.5, 0x1.c1528065b7d5p-1},
                  {100, 0x1.b981dbf665fdfp-1},
                  {1.5707963, 0x1.cc553391a6262p-26},
                  {1e7, -0x1.d085be7a8f4a1p-1},
                  {-2.5, -0x1.9a2f7ef858b7dp-1}});
    EXPECT_EQ(pow(10000, -0.328125), 0x1.8eec7def5d56cp-5);
    EXPECT_EQ(pow(500000, -0.984375), 0x1.4985fec80a8cbp-19);
    EXPECT_EQ(pow(2, 0.5), 0x1.6a09e667f3bcdp+0);
    EXPECT_EQ(pow(1.5, 100), 0x1.69194f299cddap+58);
    EXPECT_EQ(pow(7, -3), 0x1.7e225515a4f1dp-9);
}

TEST(PortableMath, IsExactWhereTheResultIs) {
    EXPECT_EQ(exp(0), 1);
    EXPECT_EQ(log(1), 0);
    for (int exponent = -1074; exponent <= 1023; ++exponent)
        EXPECT_EQ(log2(std::ldexp(1.0, exponent)), exponent) << exponent;
    EXPECT_EQ(sin(0), 0);
    EXPECT_EQ(cos(0), 1);
    EXPECT_EQ(pow(3, 0), 1);
    EXPECT_EQ(pow(10, 15), 1e15);
}

TEST(PortableMath, HasTheEndsOfTheLibrarys) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(exp(infinity), infinity);
    EXPECT_EQ(exp(-infinity), 0);
    EXPECT_EQ(exp(710), infinity);
    EXPECT_EQ(exp(-746), 0);
    EXPECT_GT(exp(-745), 0);
    EXPECT_EQ(log(0), -infinity);
    EXPECT_EQ(log2(infinity), infinity);
    EXPECT_EQ(pow(0, -1), infinity);
    EXPECT_EQ(pow(0, 2), 0);
    double const nan = std::numeric_limits<double>::quiet_NaN();
    for (double const none :
         {exp(nan), log(nan), log(-1), pow(-1, 0.5), pow(nan, 1), sin(nan), cos(infinity), sin(1e9)})
        EXPECT_TRUE(std::isnan(none));
}

/// The library's own, which is within a unit in the last place of the exact value.
TEST(PortableMath, IsNearTheLibrarys) {
    auto const near = [](double ours, double library) {
        double const unit =
            std::nextafter(std::abs(library), std::numeric_limits<double>::infinity()) - std::abs(library);
        return std::abs(ours - library) <= 1.5 * unit;
    };
    for (int i = 0; i < 20000; ++i) {
        double const x = (i - 10000) * 0.0701;
        EXPECT_TRUE(near(exp(x), std::exp(x))) << x;
        EXPECT_TRUE(near(sin(x * 100), std::sin(x * 100))) << x;
        EXPECT_TRUE(near(cos(x * 100), std::cos(x * 100))) << x;
        double const y = std::exp(x);
        EXPECT_TRUE(near(log(y), std::log(y))) << y;
        EXPECT_TRUE(near(log2(y), std::log2(y))) << y;
        EXPECT_TRUE(near(pow(y, 0.37), std::pow(y, 0.37))) << y;
    }
}

}  // namespace
}  // namespace kvstone::portable
