// The append workload in an attempt's process: figures with closed forms, and streams that are found out.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/attempts/attempt.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::StartsWith;

constexpr std::uint64_t context = 96;

AttemptRequest request_of(std::string const& codec, std::uint64_t batch = 3, std::uint64_t page = 16) {
    AttemptRequest request;
    auto& cell = request.cell;
    cell.workload = "append";
    cell.source = {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}};
    cell.locator = Json::object();
    cell.context = context;
    cell.batch = batch;
    cell.page = page;
    cell.codec = codec;
    cell.backend = "openmp";
    cell.threads = 2;
    identify(cell);
    request.measure.min_time_s = 0.001;
    request.measure.timeout_s = 100;
    request.attempt_id = "0123456789abcdef0123456789abcdef";
    return request;
}

class AppendTest : public testing::Test {
  protected:
    void SetUp() override { setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1); }
    void TearDown() override { unsetenv("KVSTONE_ATTEMPT"); }
    Measurement run(AttemptRequest const& request) { return run_attempt(spawner_, request); }

    static double value(Measurement const& measurement, std::string const& component, std::string const& metric) {
        auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
            return figure.component == component && figure.metric == metric;
        });
        if (found == measurement.figures.end() || !found->value) {
            ADD_FAILURE() << "no figure " << component << ' ' << metric;
            return 0;
        }
        return *found->value;
    }

  private:
    Spawner spawner_;
};

TEST_F(AppendTest, BillsWhatTheBlocksHold) {
    for (auto const batch : {1, 3}) {
        auto const half = run(request_of("fp16", static_cast<std::uint64_t>(batch)));
        ASSERT_EQ(half.status, Status::ok) << half.reason << half.stderr_tail;
        for (auto const* component : {"k", "v", "kv"}) {
            EXPECT_EQ(value(half, component, "append_bits_per_value"), 16);
            EXPECT_GT(value(half, component, "bits_per_value"), 16);  // with the container's header
            EXPECT_LT(value(half, component, "bits_per_value"), 16.5);
            auto const ns = value(half, component, "append_ns_per_token");
            EXPECT_GT(ns, 0);
            EXPECT_GT(value(half, component, "page_read_ns"), 0);
            double const values = 2 * 2 * 64 * (component == std::string("kv") ? 2 : 1);
            EXPECT_NEAR(value(half, component, "append_gb_per_s") * ns, 4 * values, 1e-6 * 4 * values);
        }
    }
    // A block of 64 tokens is begun with the 65th: 128 tokens' room for 96.
    EXPECT_EQ(value(run(request_of("fp16", 1, 64)), "k", "append_bits_per_value"), 16.0 * 128 / 96);
    EXPECT_EQ(value(run(request_of("int:bits=8,axis=token")), "v", "append_bits_per_value"), 8 + 16.0 / 64);
    // 32 of the last tokens are kept, groups of 32 coded: 5 bits each.
    EXPECT_EQ(value(run(request_of("window(32){raw} rest{int:bits=4,scheme=asymmetric,axis=channel,group=32}")), "k",
                    "append_bits_per_value"),
              (64 * 5 + 32 * 32 + 32 * 32) / 96.0);  // and the block given back waits for the next tokens
}

TEST_F(AppendTest, WithoutTimingNoFigureSpeaksOfTime) {
    auto request = request_of("fp16");
    request.measure.timing = false;
    auto const m = run(request);
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_EQ(value(m, "kv", "append_bits_per_value"), 16);
    EXPECT_TRUE(
        std::ranges::none_of(m.figures, [](Figure const& f) { return f.metric.find("_ns") < f.metric.size(); }));
    EXPECT_TRUE(m.samples.empty());
}

/// Of these nothing is ever final: a growing cache would hold it all as it came.
TEST_F(AppendTest, SkipsCodecsOfWholeTensorsAndSaysWhichStageItIs) {
    auto const reason = [&](std::string const& codec) {
        auto const m = run(request_of(codec));
        EXPECT_EQ(m.status, Status::skipped) << codec << m.stderr_tail;
        EXPECT_TRUE(m.figures.empty());
        return m.reason;
    };
    EXPECT_THAT(reason("int8"), StartsWith("stage int8 needs whole tensors, and workload append codes tokens"));
    EXPECT_THAT(reason("unrope:base=10000 | int8"), StartsWith("stage int8 needs whole tensors, and"));
    EXPECT_THAT(reason("k{fp16} v{fp16 | zstd}"), StartsWith("stage zstd needs whole tensors (variable rate), and"));
    EXPECT_THAT(reason("lowrank:rank=0.5,basis=random,over=layers,layers=2 | fp16"),
                StartsWith("stage lowrank needs whole tensors (mixes heads, mixes layers), and"));
    // A window is held as it came anyway.
    EXPECT_EQ(run(request_of("window(32){int8} rest{fp16}")).status, Status::ok);
}

TEST_F(AppendTest, PagesThatReadBackWrongAreFoundOut) {
    auto const m = run(request_of("fault:how=wrong"));
    EXPECT_EQ(m.status, Status::verify_failed) << m.reason << m.stderr_tail;
    EXPECT_NE(m.reason.find("page"), std::string::npos) << m.reason;
}

}  // namespace
}  // namespace kvstone
