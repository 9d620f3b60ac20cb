// The workload attention_decode: its figures against closed forms, its refusals, and its judge against answers known
// beforehand.

#include "harness/workloads/attention_decode/attention_decode.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "harness/workloads/attention_decode/step_error.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class AttentionDecode : public AttemptTest {
  protected:
    static AttemptRequest request(std::string const& codec, bool timing = false) {
        AttemptRequest request;
        auto& cell = request.cell;
        cell.workload = "attention_decode";
        cell.source = {{"kind", "synthetic"}, {"layers", 2},    {"kv_heads", 2},
                       {"heads", 8},          {"head_dim", 64}, {"seed", 3}};
        cell.locator = Json::object();
        cell.context = 100;
        cell.codec = codec;
        cell.backend = "openmp";
        cell.threads = 1;
        request.measure.timing = timing;
        request.measure.repetitions = 3;
        request.measure.min_time_s = 0;
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return request;
    }
    static bool has(Measurement const& measurement, std::string const& metric) {
        return std::ranges::any_of(measurement.figures, [&](Figure const& one) { return one.metric == metric; });
    }
};

TEST_F(AttentionDecode, IsRightForEveryFormat) {
    for (auto const* const codec :
         {"fp16", "bf16", "q8_0", "q4_0", "nf4", "fp8:format=e5m2", "int8", "int:bits=4,axis=token,group=32",
          "k{int:bits=4,scheme=asymmetric,axis=channel,group=32} "
          "v{int:bits=4,scheme=asymmetric,axis=token,group=32}"}) {
        auto const measurement = run(request(codec));
        EXPECT_EQ(measurement.status, Status::ok) << codec << ": " << measurement.reason;
        EXPECT_LE(figure(measurement, "attention_step_error").value, 1e-5) << codec;
        EXPECT_GT(figure(measurement, "attention_step_error").value, 0) << codec;
    }
}

TEST_F(AttentionDecode, BillsThePlanesThatItReads) {
    auto const values = [](std::uint64_t batch) { return static_cast<double>(batch * 2 * 2 * 2 * 100 * 64); };
    EXPECT_EQ(figure(run(request("fp16")), "cache_bytes_read").value, 2 * values(1));
    EXPECT_EQ(figure(run(request("q8_0")), "cache_bytes_read").value, values(1) * 34 / 32);
    EXPECT_EQ(figure(run(request("q4_0")), "cache_bytes_read").value, values(1) * 18 / 32);
    auto three = request("q4_0");
    three.cell.batch = 3;
    three.cell.options = {{"queries", 2}};
    auto const measurement = run(three);
    EXPECT_EQ(measurement.status, Status::ok) << measurement.reason;
    EXPECT_EQ(figure(measurement, "cache_bytes_read").value, values(3) * 18 / 32);
}

TEST_F(AttentionDecode, SpeedUpsAreRatiosOfTheTimesBesideThem) {
    auto const measurement = run(request("q4_0", true));
    ASSERT_EQ(measurement.status, Status::ok) << measurement.reason;
    auto const own = *figure(measurement, "attention_step_ns").value;
    EXPECT_GT(own, 0);
    EXPECT_EQ(figure(measurement, "speedup_vs_fp16").value, *figure(measurement, "fp16_step_ns").value / own);
    EXPECT_EQ(figure(measurement, "attention_read_gb_per_s").value,
              *figure(measurement, "cache_bytes_read").value / own);
    if (!has(measurement, "ggml_step_ns")) {
        EXPECT_THAT(measurement.reason, HasSubstr("no figures of ggml: "));
        return;
    }
    EXPECT_EQ(figure(measurement, "speedup_vs_ggml").value, *figure(measurement, "ggml_step_ns").value / own);
    EXPECT_EQ(figure(measurement, "speedup_vs_ggml_f16").value, *figure(measurement, "ggml_f16_step_ns").value / own);
    // It quantises queries to eight bits, and is judged by the error of that.
    EXPECT_LE(figure(measurement, "ggml_step_error").value, 0.1);
    EXPECT_GT(figure(measurement, "ggml_step_error").value, figure(measurement, "attention_step_error").value);
}

TEST_F(AttentionDecode, IsSkippedWhereNoKernelReadsTheCodec) {
    for (auto const& [codec, why] :
         {std::pair{"int:bits=3,axis=token", "codes of 3 bits"},
          {"q8_0 | zstd", "2 stages for k"},
          {"window(16){fp16} rest{q8_0}", "other rules for some layers, heads or tokens of k"}}) {
        EXPECT_THAT(attention_decode_skips(Codec::parse(codec), {}), HasSubstr(why));
        auto const measurement = run(request(codec));
        EXPECT_EQ(measurement.status, Status::skipped) << codec;
        EXPECT_THAT(measurement.reason, HasSubstr(why));
    }
    EXPECT_EQ(attention_decode_skips(Codec::parse("q8_0"), {}), "");
    auto latent = request("fp16");
    latent.cell.source = {{"kind", "synthetic"}, {"layers", 1},    {"kv_heads", 1},
                          {"heads", 4},          {"head_dim", 96}, {"latent", 64}};
    auto const measurement = run(latent);
    EXPECT_EQ(measurement.status, Status::skipped);
    EXPECT_THAT(measurement.reason, HasSubstr("latent attention"));
}

TEST(StepReference, OfEqualKeysIsTheMeanOfValues) {
    std::vector<float> const k{1, 0, 1, 0, 1, 0}, v{1, 2, 3, 4, 8, 0}, q{5, 7};
    StepReference const three{.k_shape = {1, 1, 3, 2},
                              .v_shape = {1, 1, 3, 2},
                              .k = k.data(),
                              .v = v.data(),
                              .queries = q.data(),
                              .rows = 1,
                              .scale = 0.5};
    EXPECT_THAT(three.outputs(), testing::ElementsAre(testing::DoubleNear(4, 1e-15), testing::DoubleNear(2, 1e-15)));
}

TEST(StepReference, WeighsByTheExponentialOfScaledProducts) {
    std::vector<float> const k{0, 2}, v{0, 1}, q{3};
    StepReference const two{.k_shape = {1, 1, 2, 1},
                            .v_shape = {1, 1, 2, 1},
                            .k = k.data(),
                            .v = v.data(),
                            .queries = q.data(),
                            .rows = 1,
                            .scale = 0.25};
    EXPECT_NEAR(two.outputs()[0], std::exp(1.5) / (1 + std::exp(1.5)), 1e-15);
}

TEST(StepReference, ErrorsAreRelativeToTheLengthOfAnOutput) {
    std::vector<double> const right{3, 4, 0, 0};
    auto const error = [&](std::vector<float> const& found) { return largest_error(right, found.data(), 2); };
    EXPECT_EQ(error({3, 4, 0, 0}), 0);
    EXPECT_EQ(error({3, 5, 0, 0}), 0.2);
    EXPECT_EQ(error({3, 4, 0, 0.25F}), 0.25);
    auto const nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(error({3, nan, 0, 0}), std::numeric_limits<double>::infinity());
    EXPECT_EQ(largest_error({std::nan(""), 1}, std::vector<float>{nan, 1}.data(), 2), 0);
    EXPECT_EQ(largest_error({std::nan(""), 1}, std::vector<float>{0, 1}.data(), 2),
              std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace kvstone
