// Codecs from outside with a model in the loop.

#include <tuple>

#include <gmock/gmock.h>

#include "codecs/container/stored_tensor.hpp"
#include "harness/workloads/growing_cache.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/harness/python_codec.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class ExternalModel : public AttemptTest {
  protected:
    Measurement measure(std::string const& how) { return measure(codec_py({how}), "mine", "context"); }
    Measurement measure(ExternalDefinition const& definition, std::string const& codec, std::string const& protocol) {
        auto request = model_request({}, "model", with_external_stages(codec, {definition}),
                                     {{"protocol", protocol}, {"passages", 2}, {"continuation", 64}}, 128);
        request.cell.locator["codecs"] = {to_json(definition)};
        return run(request);
    }
    Measurement by_token(std::string const& how, std::string const& codec, std::string const& protocol) {
        auto definition = codec_py({how});
        definition.by_token = true;
        return measure(definition, codec, protocol);
    }
};

TEST_F(ExternalModel, TheModelReadsWhatTheOtherProcessDecoded) {
    if (python_with("json").empty()) GTEST_SKIP() << "no Python with json";
    // The second one ends over the bytes that the proof of engagement alters, and is started again.
    for (auto const* how : {"half", "fragile"}) {
        auto const m = measure(how);
        ASSERT_EQ(m.status, Status::ok) << how << m.reason << m.stderr_tail;
        EXPECT_GT(value(m, "compressed_read_fraction"), 0.5);
        EXPECT_LT(value(m, "spot_check_error"), 0x1p-22);
        EXPECT_LT(value(m, "kld_mean"), 1e-5);
    }
}

/// A codec of single tokens has the figures of the stage that does the same, where tokens come one by one.
TEST_F(ExternalModel, CodecsOfSingleTokensAreMeasuredInACacheThatGrows) {
    if (python_with("json").empty()) GTEST_SKIP() << "no Python with json";
    for (auto const& [protocol, before, after] :
         {std::tuple{"inline", "k{", "} v{raw}"}, {"decode", "window(16){raw} sink(2){raw} rest{hadamard | ", "}"}}) {
        auto const theirs = by_token("half", std::string(before) + "mine" + after, protocol);
        auto const ours = by_token("half", std::string(before) + "fp16" + after, protocol);
        ASSERT_EQ(theirs.status, Status::ok) << protocol << theirs.reason << theirs.stderr_tail;
        ASSERT_EQ(ours.status, Status::ok) << protocol << ours.reason << ours.stderr_tail;
        EXPECT_GT(value(ours, "kld_mean"), 0) << protocol;
        for (auto const* metric : {"kld_mean", "ppl", "compressed_read_fraction"})
            EXPECT_EQ(value(theirs, metric), value(ours, metric)) << protocol << metric;
        EXPECT_LT(value(theirs, "spot_check_error"), 0x1p-22);
    }
}

TEST_F(ExternalModel, CodecsOfSingleTokensThatAreNoneAreFoundOut) {
    if (python_with("json").empty()) GTEST_SKIP() << "no Python with json";
    for (auto const* protocol : {"inline", "decode"}) {
        EXPECT_EQ(measure(codec_py({"mixes"}), "mine", protocol).status, Status::skipped);
        auto const m = by_token("mixes", "mine", protocol);
        EXPECT_EQ(m.status, Status::verify_failed) << protocol << m.reason << m.stderr_tail;
        EXPECT_THAT(m.reason, HasSubstr("is decoded to other values when it is coded alone"));
        auto const cheat = by_token("cheat", "mine", protocol);
        EXPECT_EQ(cheat.status, Status::verify_failed) << protocol << cheat.reason;
        EXPECT_THAT(cheat.reason, HasSubstr("bytes do not hold them"));
    }
    auto const windows = by_token("half", "k,window(8){raw} k,window(16){raw} rest{mine}", "decode");
    EXPECT_EQ(windows.status, Status::skipped);
    EXPECT_THAT(windows.reason, HasSubstr("k has several windows"));
    auto const groups = by_token("half", "k{int:bits=4,axis=channel,group=32} v{mine}", "decode");
    EXPECT_EQ(groups.status, Status::skipped);
    EXPECT_THAT(groups.reason, HasSubstr("stage int codes several tokens together"));
}

/// The reason names the codec as the scenario does, and the way out.
TEST(ExternalSkips, SayWhatToDo) {
    auto const stage = [](std::string const& more) {
        return Codec::parse("external:name=mine,kind=command,hash=0123456789abcdef" + more);
    };
    Json const decode{{"protocol", "decode"}};
    EXPECT_EQ(protocol_skips(stage(",access=token"), decode), "");
    EXPECT_EQ(protocol_skips(stage(""), {{"protocol", "context"}}), "");
    EXPECT_THAT(protocol_skips(stage(""), decode),
                HasSubstr("mine is taken to code them together: 'mine'; accepted: `by_token: true` in its definition"));
    EXPECT_THAT(append_skips(stage(",access=token"), {}), HasSubstr("mine is a codec from outside, whose bytes"));
    EXPECT_THAT(attention_kernel_lacks(stage(""), Component::k), HasSubstr("none for mine, a codec from outside"));
}

TEST_F(ExternalModel, ACodecThatKeepsTheTensorIsFoundOut) {
    if (python_with("json").empty()) GTEST_SKIP() << "no Python with json";
    for (auto const* how : {"cheat", "empty"}) {
        auto const m = measure(how);
        EXPECT_EQ(m.status, Status::verify_failed) << how << m.reason;
        EXPECT_THAT(m.reason, HasSubstr("bytes do not hold them"));
    }
}

}  // namespace
}  // namespace kvstone
