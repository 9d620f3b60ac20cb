#include "harness/attempts/roofline_probe.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

Figure const* find(Measurement const& measurement, std::string const& component, std::string const& metric) {
    auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
        return figure.component == component && figure.metric == metric;
    });
    return found == measurement.figures.end() ? nullptr : &*found;
}

Measurement timed() {
    Measurement measurement;
    measurement.figures = {{"k", "encode_ns", 100, 7, 80, 125},
                           {"k", "encode_traffic_bytes", 1000, 1, {}, {}},
                           {"k", "decode_ns", 50, 5, {}, {}},
                           {"k", "decode_traffic_bytes", 1000, 1, {}, {}},
                           {"v", "encode_ns", 100, 7, 80, 125}};
    return measurement;
}

// 1000 bytes in 100 ns are 10 GB/s: half of a roofline of 20.
TEST(ApplyRoofline, HandWorkedFractions) {
    auto measurement = timed();
    apply_roofline(measurement, {15, 16, 0, 0, 5}, {24, 0, 0, 0, 5});
    EXPECT_EQ(measurement.roofline_gb_per_s, 20);
    auto const* encode = find(measurement, "k", "encode_roofline");
    ASSERT_NE(encode, nullptr);
    EXPECT_DOUBLE_EQ(*encode->value, 0.5);
    EXPECT_DOUBLE_EQ(*encode->ci_low, 0.4);     // 1000 / 125 / 20
    EXPECT_DOUBLE_EQ(*encode->ci_high, 0.625);  // 1000 / 80 / 20
    EXPECT_EQ(encode->n, 7U);
    auto const* decode = find(measurement, "k", "decode_roofline");
    ASSERT_NE(decode, nullptr);
    EXPECT_DOUBLE_EQ(*decode->value, 1);
    EXPECT_FALSE(decode->ci_low);
    EXPECT_EQ(find(measurement, "v", "encode_roofline"), nullptr);  // its traffic is not known
}

TEST(ApplyRoofline, DoesWithOneProbeAndWithoutAny) {
    auto one = timed();
    apply_roofline(one, {}, {10, 0, 0, 0, 5});
    EXPECT_EQ(one.roofline_gb_per_s, 10);
    auto none = timed();
    apply_roofline(none, {}, {});
    EXPECT_EQ(none.roofline_gb_per_s, 0);
    EXPECT_EQ(none.figures.size(), timed().figures.size());
}

TEST(RooflineJson, ComesBack) {
    Roofline const roofline{1.5, 2.5, 3.5, 4.5, 5};
    auto const back = roofline_from_json(to_json(roofline));
    EXPECT_EQ(back.copy_gb_per_s, 1.5);
    EXPECT_EQ(back.streaming_copy_gb_per_s, 2.5);
    EXPECT_EQ(back.read_gb_per_s, 3.5);
    EXPECT_EQ(back.write_gb_per_s, 4.5);
    EXPECT_EQ(back.passes, 5);
}

}  // namespace
}  // namespace kvstone
