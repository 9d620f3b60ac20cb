// Proofs of a codec beside its figures, in every workload and protocol: that every value was written, that stored
// bytes decide, and that neither fails a codec that did nothing wrong.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/kernels/floats.hpp"
#include "tests/harness/proofs_fixture.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Proofs : public ProofsTest {
  protected:
    Measurement run_synthetic(std::string const& workload, std::string const& codec, std::uint64_t context = 96) {
        auto request = model_request({}, workload, codec, Json::object(), context);
        request.cell.source = {{"kind", "synthetic"}, {"layers", 2},    {"kv_heads", 2},
                               {"heads", 4},          {"head_dim", 64}, {"seed", 3}};
        request.cell.locator = Json::object();
        request.cell.batch = workload == "append" ? 2 : 0;
        request.cell.page = workload == "append" ? 16 : 0;
        return run(request);
    }
    /// Roundtrip over K and V of [1, 1, 4, 32], `type` being F32, F16 or BF16.
    template <class T>
    Measurement run_dump(std::string const& type, std::vector<float> const& k, std::vector<float> const& v,
                         std::string const& codec) {
        std::string data;
        for (auto const* values : {&k, &v}) {
            for (auto const value : *values) data += bytes_of({from_float<T>(value)});
        }
        auto const tensor = [&](std::size_t first) {
            return R"({"dtype":")" + type + R"(","shape":[1,1,4,32],"data_offsets":[)" + std::to_string(first) + "," +
                   std::to_string(first + data.size() / 2) + "]}";
        };
        auto const path =
            folder_.write("dump.safetensors",
                          safetensors_bytes("{\"k\":" + tensor(0) + ",\"v\":" + tensor(data.size() / 2) + "}", data));
        auto request = model_request({}, "roundtrip", codec, Json::object(), 0);
        request.cell.source = {{"kind", "dump"}, {"sha256", named_hash(path)}};
        request.cell.locator = {{"path", path}};
        return run(request);
    }
    static std::vector<float> ordinary() {
        std::vector<float> values(128);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
        return values;
    }

    ScratchFolder folder_;
};

TEST_F(Proofs, ValuesLeftUnwrittenFailEveryWorkloadOverTensors) {
    for (auto const* workload : {"roundtrip", "cycles", "append", "attention"}) {
        ASSERT_EQ(run_synthetic(workload, "fp16").status, Status::ok) << workload;
        for (auto const& how : left_unwritten) {
            auto const m = run_synthetic(workload, "fault:how=" + how);
            EXPECT_EQ(m.status, Status::verify_failed) << workload << ' ' << how << ' ' << m.reason << m.stderr_tail;
            EXPECT_THAT(m.reason, StartsWith("k: decoding left ")) << workload << ' ' << how;
        }
    }
}

TEST_F(Proofs, ValuesLeftUnwrittenAreFoundInEveryElementTypeAndBehindTransforms) {
    for (auto const* codec : {"fault:how=skip_value", "center | fault:how=skip_value", "fault:how=skip_value | zstd"}) {
        EXPECT_THAT(run_dump<float>("F32", ordinary(), ordinary(), codec).reason, HasSubstr("left 1 of 128 values"));
        EXPECT_THAT(run_dump<Float16>("F16", ordinary(), ordinary(), codec).reason, HasSubstr("left 1 of 128 values"));
        EXPECT_THAT(run_dump<BFloat16>("BF16", ordinary(), ordinary(), codec).reason,
                    HasSubstr("left 1 of 128 values"));
    }
}

/// K of zeros, of one value and of denormals: in the code of some codecs no single byte decides anything.
TEST_F(Proofs, DegenerateTensorsAreOk) {
    std::vector<std::vector<float>> const degenerate{std::vector<float>(128), std::vector<float>(128, 3.25F),
                                                     std::vector<float>(128, 1e-40F), [] {
                                                         std::vector<float> values(128);
                                                         for (std::size_t i = 0; i < values.size(); ++i)
                                                             values[i] = static_cast<float>(i) * 1e-42F;
                                                         return values;
                                                     }()};
    for (auto const* codec :
         {"int:bits=4,scheme=asymmetric,axis=token", "int:bits=4,axis=channel,group=32", "int8", "q8_0", "q4_1", "nf4",
          "mxfp4", "fp8:format=e4m3,scale=tensor", "lloydmax:bits=4,norm=matched", "hadamard | int8", "fp16 | zstd"}) {
        for (std::size_t which = 0; which < degenerate.size(); ++which) {
            auto const m = run_dump<float>("F32", degenerate[which], ordinary(), codec);
            EXPECT_EQ(m.status, Status::ok) << codec << ' ' << which << ' ' << m.reason;
        }
    }
}

TEST_F(Proofs, DecodersThatIgnoreWhatIsStoredFailOnOrdinaryAndOnDegenerateTensors) {
    for (auto const& k : {ordinary(), std::vector<float>(128), std::vector<float>(128, 3.25F)}) {
        auto const m = run_dump<float>("F32", k, ordinary(), "fault:how=forget");
        EXPECT_EQ(m.status, Status::verify_failed);
        EXPECT_EQ(m.reason, "k: decoding does not depend on the stored bytes");
    }
}

/// Nothing is wrong with a codec that stores nothing of values that are all the same; the row names the missing proof.
TEST_F(Proofs, WhereNothingCanChangeTheRowSaysSo) {
    auto const m = run_dump<float>("F32", std::vector<float>(128), ordinary(), "fault:how=omit_zeros");
    EXPECT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_THAT(m.reason, HasSubstr("k: all values decode to the same, and nothing stored can change that"));
}

/// A scale that binary16 rounds up would take 65504 to infinity.
TEST_F(Proofs, ValuesAtTheEndOfBinary16StayFinite) {
    auto k = ordinary();
    k[0] = 65504;
    k[40] = -65504;
    for (auto const* codec : {"q8_0", "int:bits=4,axis=token", "int:bits=4,scheme=asymmetric,axis=token", "bf16",
                              "q4_0", "q5_1", "hadamard | int8", "lloydmax:bits=4,norm=matched"}) {
        auto const m = run_dump<Float16>("F16", k, ordinary(), codec);
        EXPECT_EQ(m.status, Status::ok) << codec << ' ' << m.reason;
    }
}

TEST_F(Proofs, WhatACodecCannotBeAskedIsSkippedWithTheReason) {
    for (auto const* workload : {"roundtrip", "cycles", "append", "attention"}) {
        EXPECT_THAT(skipped(run_synthetic(workload, "unrope:base=10000 | int:bits=8,axis=token")),
                    StartsWith("unrope is for keys"))
            << workload;
    }
    EXPECT_THAT(skipped(run_dump<float>("F32", ordinary(), ordinary(), "k{unrope | int8} v{int8}")),
                StartsWith("the source of these keys states no rotary position embedding"));
    EXPECT_THAT(skipped(run_synthetic("append", "fp16", 1)), StartsWith("a cache that grows needs a prompt"));
}

}  // namespace
}  // namespace kvstone
