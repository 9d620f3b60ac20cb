// Codecs from outside with a model in the loop.

#include <gmock/gmock.h>

#include "tests/harness/attempt_fixture.hpp"
#include "tests/harness/python_codec.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class ExternalModel : public AttemptTest {
  protected:
    Measurement measure(std::string const& how) {
        auto const definition = codec_py({how});
        auto request = model_request({}, "model", with_external_stages("mine", {definition}),
                                     {{"protocol", "context"}, {"passages", 2}}, 128);
        request.cell.locator["codecs"] = {to_json(definition)};
        return run(request);
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
