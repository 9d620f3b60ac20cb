#include "harness/workloads/roundtrip/cycles.hpp"

#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/places.hpp"

namespace kvstone {
namespace {

constexpr double values_per_component = 2 * 2 * 50 * 64;

/// Runs the program with the misbehaving stage.
class CyclesTest : public testing::Test {
  protected:
    void SetUp() override { setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1); }
    void TearDown() override { unsetenv("KVSTONE_ATTEMPT"); }

    Measurement run(std::string const& codec) {
        AttemptRequest request;
        request.cell.workload = "cycles";
        request.cell.source = {
            {"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"distribution", "normal"}};
        request.cell.locator = Json::object();
        request.cell.context = 50;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = 1;
        identify(request.cell);
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run_attempt(spawner_, request);
    }
    static double value(Measurement const& measurement, std::string const& component, std::string const& metric) {
        auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
            return figure.component == component && figure.metric == metric;
        });
        if (found == measurement.figures.end() || !found->value) {
            ADD_FAILURE() << "no figure " << component << ' ' << metric;
            return -1;
        }
        EXPECT_EQ(found->n, std::uint64_t{kCycles});
        return *found->value;
    }

  private:
    Spawner spawner_;
};

TEST_F(CyclesTest, ACodecThatIsIdempotentDoesNotDrift) {
    for (auto const* codec : {"raw", "fp16", "bf16 | zstd"}) {
        auto const m = run(codec);
        ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        for (auto const* component : {"k", "v", "kv"}) {
            EXPECT_EQ(value(m, component, "cycle_drift"), 0) << codec;
            EXPECT_EQ(value(m, component, "last_cycle_nmse"), value(m, component, "first_cycle_nmse")) << codec;
        }
        EXPECT_EQ(value(m, "k", "first_cycle_nmse") == 0, std::string(codec) == "raw");
    }
}

/// `wrong` adds 1 to one value of each tensor whenever it decodes: after n cycles it is n away.
TEST_F(CyclesTest, ACodecThatCreepsIsFoundOut) {
    auto const m = run("fault:how=wrong");
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    for (auto const* component : {"k", "v", "kv"}) {
        EXPECT_NEAR(value(m, component, "cycle_drift"), kCycles - 1, 0.05);
        EXPECT_NEAR(value(m, component, "first_cycle_nmse") * values_per_component, 1, 0.05);
        EXPECT_NEAR(value(m, component, "last_cycle_nmse") * values_per_component, kCycles * kCycles, 5);
    }
    for (auto const* component : {"k", "v", "kv"}) {
        std::vector<ProfileFigure> profile;
        std::ranges::copy_if(m.profiles, std::back_inserter(profile),
                             [&](ProfileFigure const& figure) { return figure.component == component; });
        ASSERT_EQ(profile.size(), std::size_t{kCycles});
        for (int cycle = 1; cycle <= kCycles; ++cycle) {
            auto const& figure = profile[static_cast<std::size_t>(cycle) - 1];
            EXPECT_EQ(figure.position, cycle);
            EXPECT_EQ(figure.metric, "nmse");
            EXPECT_NEAR(figure.value * values_per_component, cycle * cycle, 0.05 * cycle * cycle);
        }
    }
}

TEST_F(CyclesTest, AnInfinityFromAFiniteValueFailsVerification) {
    auto const m = run("fault:how=infinite");
    EXPECT_EQ(m.status, Status::verify_failed);
    EXPECT_THAT(m.reason, testing::HasSubstr("k: 1 finite values were decoded as NaN or infinity"));
}

}  // namespace
}  // namespace kvstone
