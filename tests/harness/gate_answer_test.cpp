// Programs of other commits, read by this one.

#include "harness/gates/gate_answer.hpp"

#include <gmock/gmock.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

Json ok_measurement() {
    auto json = to_json(Measurement{});
    json["status"] = "ok";
    json["figures"].push_back(
        {{"component", "kv"}, {"metric", "decode_ns"}, {"value", 5.5}, {"n", 3}, {"ci_low", 5}, {"ci_high", 6}});
    json["samples"].push_back({{"component", "kv"}, {"metric", "decode_ns"}, {"values", {5, 6, 5.5}}});
    return json;
}

TEST(GateAnswerTest, ThisBuildsOwnWordsAreReadWhole) {
    auto json = ok_measurement();
    json["threads"] = 7;
    auto const read = measurement_of_other_build(json);
    auto const own = measurement_from_json(json);
    EXPECT_EQ(to_json(read), to_json(own));
}

TEST(GateAnswerTest, EveryMemberMayBeLackingButTheStatus) {
    auto const whole = ok_measurement();
    for (auto const& [name, value] : whole.items()) {
        auto older = whole;
        older.erase(name);
        if (name == "status")
            EXPECT_THROW(measurement_of_other_build(older), CorruptData);
        else
            EXPECT_EQ(measurement_of_other_build(older).status, Status::ok) << name;
    }
}

TEST(GateAnswerTest, WhatIsNotKnownIsPassedOverAndWhatIsNotUnderstoodIsNamed) {
    auto newer = ok_measurement();
    newer["mood"] = "good";
    newer["figures"].push_back({{"component", "q"}, {"metric", "joules"}, {"value", 1}, {"n", 1}, {"unit", "J"}});
    newer["figures"].push_back({{"component", "kv"}, {"metric", "mae"}, {"value", {{"mean", 1}}}});
    newer["figures"].push_back("text");
    newer["threads"] = "all";
    auto const read = measurement_of_other_build(newer);
    EXPECT_EQ(read.status, Status::ok);
    ASSERT_EQ(read.figures.size(), 2U);
    EXPECT_EQ(read.figures[0].value, 5.5);
    EXPECT_EQ(read.figures[1].metric, "joules");
    EXPECT_EQ(read.reason, "not understood: threads, mae, figures[3]");
}

TEST(GateAnswerTest, AStatusOfAnotherBuildIsAnErrorByName) {
    auto newer = ok_measurement();
    newer["status"] = "tired";
    auto const read = measurement_of_other_build(newer);
    EXPECT_EQ(read.status, Status::error);
    EXPECT_THAT(read.reason, HasSubstr("'tired'"));
}

TEST(GateAnswerTest, ARefusalIsToldInFullAndIsNoCrash) {
    auto const ended = [](int code, int signal, std::string const& words, bool timed_out = false) {
        ChildOutcome outcome;
        outcome.exit_code = code;
        outcome.signal = signal;
        outcome.stderr_tail = words;
        outcome.timed_out = timed_out;
        return answer_of("./base", outcome);
    };
    auto const refused =
        ended(2, 0, "The following argument was not expected: --slow-down\nRun with --help for more\n");
    EXPECT_EQ(refused.status, Status::skipped);
    EXPECT_EQ(refused.reason,
              "./base refuses its arguments (exit code 2): The following argument was not expected: --slow-down; Run "
              "with --help for more");
    auto const crashed = ended(-1, 11, "first\nlast words\n\n");
    EXPECT_EQ(crashed.status, Status::crash);
    EXPECT_EQ(crashed.reason, "./base gave no answer (signal 11): last words");
    EXPECT_EQ(ended(-1, 9, "", true).status, Status::timeout);
    EXPECT_EQ(ended(1, 0, "").reason, "./base gave no answer (exit code 1)");
}

}  // namespace
}  // namespace kvstone
