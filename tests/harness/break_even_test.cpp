// Links of so many bytes a second and where fetching coded stops to pay, by a clock that the tests turn.

#include "harness/workloads/tier/break_even.hpp"

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// Time passes where it is waited for, and where a test says so. Waits end `late` after their time.
struct HandClock {
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;
    static inline time_point time{};
    static inline duration late{};
    static time_point now() { return time; }
    static void wait_until(time_point until) {
        if (until > time) time = until + late;
    }
    static void pass(double seconds) {
        time += std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds));
    }
};

class Links : public testing::Test {
  protected:
    void SetUp() override {
        HandClock::time = {};
        HandClock::late = {};
    }
    static double seconds() { return std::chrono::duration<double>(HandClock::now().time_since_epoch()).count(); }
};

TEST_F(Links, TakeTheirTimeForEveryByte) {
    ThrottledLink<HandClock> link(1e6);
    link.receive(500'000);
    EXPECT_NEAR(seconds(), 0.5, 1e-6);
    link.receive(250'000);
    EXPECT_NEAR(seconds(), 0.75, 1e-6);
    // Idle, it saves nothing up.
    HandClock::pass(10);
    link.receive(1'000'000);
    EXPECT_NEAR(seconds(), 11.75, 1e-6);
    ThrottledLink<HandClock> unlimited(0);
    unlimited.receive(std::uint64_t{1} << 60);
    EXPECT_NEAR(seconds(), 11.75, 1e-6);
}

TEST_F(Links, BringAtOnceWhatTheirBucketHasSaved) {
    // A bucket of 100,000 bytes, full at first.
    ThrottledLink<HandClock> link(1e6, 100'000);
    link.receive(100'000);
    EXPECT_NEAR(seconds(), 0, 1e-6);
    link.receive(300'000);
    EXPECT_NEAR(seconds(), 0.3, 1e-6);
    // Half full after a twentieth of a second, full and no more after ten.
    HandClock::pass(0.05);
    link.receive(100'000);
    EXPECT_NEAR(seconds(), 0.4, 1e-6);
    HandClock::pass(10);
    link.receive(1'100'000);
    EXPECT_NEAR(seconds(), 11.4, 1e-6);
}

TEST_F(Links, WithABucketKeepTheirRateWhereWaitsEndLate) {
    HandClock::late = std::chrono::milliseconds(1);
    ThrottledLink<HandClock> without(1e6);
    for (int i = 0; i < 100; ++i) without.receive(10'000);
    EXPECT_NEAR(seconds(), 100 * 0.011, 1e-6);
    HandClock::time = {};
    ThrottledLink<HandClock> with(1e6, 10'000);
    for (int i = 0; i < 100; ++i) with.receive(10'000);
    // The first came out of the bucket; the delay of late waits is made up for.
    EXPECT_NEAR(seconds(), 99 * 0.01 + 0.001, 1e-6);
}

TEST_F(Links, CrossWhereTheFormulaSays) {
    // Raw 64 MB; codecs of any ratio that decode at any rate, some of which pay on all links or on none.
    constexpr std::uint64_t raw_bytes = 64'000'000;
    for (double const stored : {0.1, 0.25, 0.5, 0.9, 0.99})
        for (double const decode_bytes_per_s : {6e7, 2.2e8, 1.1e9, 3.3e9, 1.2e10, 4.4e10}) {
            auto const stored_bytes = static_cast<std::uint64_t>(stored * raw_bytes);
            auto const decode_s = raw_bytes / decode_bytes_per_s;
            auto const times = time_fetches<HandClock>(break_even_links, raw_bytes, stored_bytes, 3,
                                                       [&] { HandClock::pass(decode_s); });
            ASSERT_EQ(times.points.size(), break_even_links.size());
            EXPECT_NEAR(times.decode_s, decode_s, 1e-8);
            for (auto const& point : times.points) {
                EXPECT_NEAR(point.raw_s, raw_bytes / point.bytes_per_s, 1e-7);
                EXPECT_NEAR(point.coded_s, static_cast<double>(stored_bytes) / point.bytes_per_s + decode_s, 1e-7);
            }
            auto const computed = (1 - stored) * decode_bytes_per_s;
            EXPECT_NEAR(break_even_bytes_per_s(raw_bytes, stored_bytes, decode_s) / computed, 1, 1e-6);
            auto const seen = crossing_bytes_per_s(times.points);
            ASSERT_EQ(seen.has_value(), computed >= 1e8 && computed < 1e10) << stored << " " << decode_bytes_per_s;
            if (seen) {
                EXPECT_NEAR(*seen / computed, 1, 1e-3) << stored << " " << decode_bytes_per_s;
            }
        }
}

TEST_F(Links, CrossNowhereWithoutPoints) {
    EXPECT_FALSE(crossing_bytes_per_s({}));
    std::vector<FetchPoint> const one{{1e9, 2, 1}};
    EXPECT_FALSE(crossing_bytes_per_s(one));
    EXPECT_FALSE(crossing_bytes_per_s(std::vector<FetchPoint>{{1e8, 1, 2}, {1e9, 1, 2}}));
    EXPECT_FALSE(crossing_bytes_per_s(std::vector<FetchPoint>{{1e8, 2, 1}, {1e9, 2, 1}}));
}

TEST_F(Links, CrossAtTheFastestPlaceWhereNoiseMakesSeveral) {
    // Coded is faster, slower, faster, slower: the last change counts, halfway in the time of a byte.
    std::vector<FetchPoint> const points{{1, 2, 1}, {2, 1, 2}, {4, 2, 1}, {8, 1, 2}};
    EXPECT_NEAR(*crossing_bytes_per_s(points), 1 / ((1.0 / 4 + 1.0 / 8) / 2), 1e-12);
}

}  // namespace
}  // namespace kvstone
