// Proofs of a codec beside its figures, in every protocol of workloads that run models.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/proofs_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using ModelProofs = ProofsTest;

TEST_F(ModelProofs, ValuesLeftUnwrittenFailEveryProtocolOfModels) {
    for (auto const* protocol : {"context", "inline", "decode"}) {
        for (auto const& how : left_unwritten) {
            auto const model = run(model_request({}, "model", "fault:how=" + how,
                                                 {{"protocol", protocol}, {"passages", 1}, {"continuation", 8}}, 32));
            EXPECT_EQ(model.status, Status::verify_failed) << protocol << ' ' << how << ' ' << model.stderr_tail;
            EXPECT_THAT(model.reason, HasSubstr(": decoding left ")) << protocol << ' ' << how;
        }
        auto const tasks = run(model_request({}, "tasks", "fault:how=skip_value",
                                             {{"protocol", protocol}, {"task", "key_value"}, {"items", 1}}, 512));
        EXPECT_EQ(tasks.status, Status::verify_failed) << protocol << ' ' << tasks.stderr_tail;
        EXPECT_THAT(tasks.reason, HasSubstr(": decoding left ")) << protocol;
    }
    auto const compressed = run(
        model_request({}, "model", "fault:how=skip_value",
                      {{"protocol", "decode"}, {"prefill", "compressed"}, {"passages", 1}, {"continuation", 8}}, 32));
    EXPECT_THAT(compressed.reason, HasSubstr(": decoding left "));
}

TEST_F(ModelProofs, WhatACodecCannotBeAskedIsSkippedWithTheReason) {
    EXPECT_THAT(skipped(run(model_request({}, "model", "unrope:base=10000 | int:bits=8,axis=token",
                                          {{"protocol", "decode"}, {"passages", 1}}, 32))),
                StartsWith("unrope is for keys"));
    EXPECT_THAT(skipped(run(model_request({}, "tasks", "fp16", {{"protocol", "context"}, {"task", "needle"}}, 100))),
                StartsWith("the context is shorter than the text to be compressed"));
}

}  // namespace
}  // namespace kvstone
