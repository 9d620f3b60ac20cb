// What a row says that read most of its K and V past the codec.

#include "harness/workloads/model/engagement.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// The share of reads by counting every read of every scored token.
double counted(std::uint64_t coded, std::uint64_t kept, std::uint64_t continuation) {
    double share = 0;
    for (std::uint64_t j = 0; j + 1 < continuation; ++j)
        share += static_cast<double>(coded) / static_cast<double>(kept + j + 1) / static_cast<double>(continuation - 1);
    return share;
}

TEST(Engagement, TheLongestContinuationIsTheOneThatCountingFinds) {
    for (std::uint64_t const kept : {1U, 2U, 10U, 77U, 300U})
        for (std::uint64_t const raw : {0U, 1U, 5U, 70U, 200U})
            for (std::uint64_t const continuation : {2U, 3U, 64U, 500U, 2000U}) {
                if (raw > kept) continue;
                auto const coded = kept - raw;
                auto const read = counted(coded, kept, continuation);
                if (read >= engaged_fraction) continue;
                std::uint64_t most = 0;
                // Beyond the last bits of a share that is a half exactly.
                for (std::uint64_t length = 2; length <= continuation; ++length)
                    if (counted(coded, kept, length) > engaged_fraction + 1e-12) most = length;
                auto const found = longest_engaged_continuation(read, static_cast<double>(kept), continuation);
                EXPECT_GE(found, most) << kept << " " << raw << " " << continuation;
                if (found > most) {
                    EXPECT_NEAR(counted(coded, kept, found), engaged_fraction, 1e-12);
                }
            }
    EXPECT_EQ(longest_engaged_continuation(0, 10, 100), 0U);
    EXPECT_EQ(longest_engaged_continuation(0.4, 10, 1), 0U);
}

class EngagedWorkload : public AttemptTest {
  protected:
    Measurement run(std::string const& codec, std::uint64_t continuation) {
        Json const options{{"protocol", "context"}, {"passages", 1}, {"continuation", continuation}};
        auto measured = AttemptTest::run(model_request({}, "model", codec, options, 256));
        EXPECT_EQ(measured.status, Status::ok) << measured.reason << measured.stderr_tail;
        return measured;
    }
};

TEST_F(EngagedWorkload, TheReasonHasTheNumbersAndWhatWouldChangeThem) {
    std::uint64_t most = 0;
    for (std::uint64_t length = 2; length < 256; ++length)
        if (counted(64, 64, length) >= engaged_fraction) most = length;
    std::string const codec = "keep:policy=streaming,share=0.25 | int:bits=8,axis=token";
    auto const measured = run(codec, 256);
    EXPECT_NEAR(value(measured, "compressed_read_fraction"), counted(64, 64, 256), 1e-9);
    EXPECT_EQ(measured.reason,
              fmt::format("not_engaged: {:.0f}% of the K and V read came through the codec: 64 of 256 tokens of the "
                          "context stay, and the 256 behind it are read as they came; accepted: continuation: {} or "
                          "less, a longer context, a larger share",
                          100 * counted(64, 64, 256), most));
    EXPECT_EQ(run(codec, most).reason, "") << "as it was told";
    EXPECT_THAT(run(codec, most + 1).reason, StartsWith("not_engaged: 50%"));
    // Tokens in a window are read as they came, too.
    auto const windowed = run("window(160){raw} rest{fp16}", 64);
    EXPECT_THAT(windowed.reason, HasSubstr("the context has 256 tokens, and the 64 behind it"));
    EXPECT_THAT(windowed.reason, Not(HasSubstr("continuation:"))) << "a window of most tokens is beyond help";
}

}  // namespace
}  // namespace kvstone
