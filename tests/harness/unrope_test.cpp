// The codec stage that undoes RoPE, on keys whose values before RoPE are known.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/sources/rope.hpp"
#include "harness/workloads/roundtrip/roundtrip.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/harness/unroped.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

TEST(Unrope, AgreesWithDoublePrecisionOnSyntheticKeys) {
    Json const source{{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2},        {"head_dim", 128},
                      {"heads", 2},          {"seed", 3},   {"rope_base", 500000.0}};
    auto const tensors = load_tensors(source, Json::object(), 3000, keys);
    ASSERT_TRUE(tensors.rope && tensors.k_prerope);
    auto const ours = unroped(*tensors.k, *tensors.rope);
    auto const expected = floats(rotate(*tensors.k, *tensors.rope, true));
    EXPECT_LT(relative_error(ours, expected), 1e-7);
    EXPECT_LT(relative_error(ours, floats(*tensors.k_prerope)), 1e-6);
    auto other = *tensors.rope;
    other.scale = 1 + 1e-6;
    EXPECT_GT(relative_error(ours, floats(rotate(*tensors.k, other, true))), 1e-7) << "positions a little off";
}

Measurement roundtrip_of(std::string const& codec, char const* distribution) {
    AttemptRequest request;
    request.cell.workload = "roundtrip";
    request.cell.source = {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 7}};
    request.cell.source["distribution"] = distribution;
    request.cell.locator = Json::object();
    request.cell.context = 100;
    request.cell.codec = codec;
    request.cell.backend = "openmp";
    request.measure.timing = false;
    Measurement measurement;
    measurement.status = Status::ok;
    run_roundtrip(request, measurement);
    return measurement;
}

TEST(Unrope, RoundtripsTellTheCodecOfTheSourcesRope) {
    auto const measurement = roundtrip_of("k{unrope | center | int8} v{int8}", "llama");
    EXPECT_EQ(measurement.status, Status::ok) << measurement.reason;
    try {
        roundtrip_of("k{unrope | int8} v{int8}", "normal");
        FAIL() << "the source has no RoPE";
    } catch (ConfigError const& error) {
        EXPECT_THAT(error.what(), HasSubstr("unrope:base="));
    }
}

}  // namespace
}  // namespace kvstone
