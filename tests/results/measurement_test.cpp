// A measurement's way through JSON.

#include "results/record/measurement.hpp"

#include <cmath>
#include <limits>

#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

TEST(MeasurementTest, EveryMemberComesBackToTheLastBit) {
    auto m = test::measurement(test::cell("raw"));
    m.status = Status::verify_failed;
    m.reason = "π";
    m.signal = 9;
    m.stderr_tail = "tail";
    m.protocol = "inline";
    m.task = "recall";
    m.figures[0].value = 0.1 + 0.2;
    m.figures[1].value.reset();
    m.figures[2].n = std::numeric_limits<std::uint64_t>::max();
    m.samples[0].values = {std::numeric_limits<double>::denorm_min(), -0.0, std::numeric_limits<double>::max(),
                           std::nextafter(1.0, 2.0)};
    EXPECT_FALSE(to_json(m).contains("functions")) << "only counted passes have them";
    m.functions = {{"k", "encode", "pass(int)", 0.1 + 0.2}};
    auto const back = measurement_from_json(Json::parse(to_json(m).dump()));
    ASSERT_EQ(back.functions.size(), 1U);
    EXPECT_EQ(back.functions[0].function, "pass(int)");
    EXPECT_EQ(back.functions[0].instructions, 0.1 + 0.2);
    EXPECT_EQ(to_json(back), to_json(m));
    EXPECT_EQ(back.attempt_id, m.attempt_id);
    EXPECT_EQ(back.status, Status::verify_failed);
    EXPECT_EQ(back.wall_ns, m.wall_ns);
    EXPECT_EQ(back.figures[0].value, 0.1 + 0.2);
    EXPECT_NE(back.figures[0].value, 0.3);
    EXPECT_FALSE(back.figures[1].value);
    EXPECT_EQ(back.figures[2].n, m.figures[2].n);
    EXPECT_EQ(back.samples[0].values, m.samples[0].values);
    EXPECT_TRUE(std::signbit(back.samples[0].values[1]));
    EXPECT_EQ(back.profiles[0].position, -1);
}

TEST(MeasurementTest, NotANumberIsWrittenAsNull) {
    auto m = test::measurement(test::cell("raw"));
    m.figures[0].value = std::nan("");
    m.figures[1].value = -std::numeric_limits<double>::infinity();
    m.samples[0].values[1] = std::nan("");
    auto const text = to_json(m).dump();
    auto const back = measurement_from_json(Json::parse(text));
    EXPECT_FALSE(back.figures[0].value);
    EXPECT_FALSE(back.figures[1].value);
    EXPECT_TRUE(std::isnan(back.samples[0].values[1]));
}

TEST(MeasurementTest, BytesThatAreNoTextDoNotStopIt) {
    auto m = test::measurement(test::cell("raw"), Status::crash);
    m.stderr_tail = std::string("a\xC3(\x00z", 5);
    EXPECT_EQ(measurement_from_json(Json::parse(to_json(m).dump())).stderr_tail, "a\xEF\xBF\xBD(\xEF\xBF\xBDz");
}

TEST(MeasurementTest, EveryMissingOrMistypedMemberIsCorrupt) {
    auto const whole = to_json(test::measurement(test::cell("raw")));
    ASSERT_NO_THROW(measurement_from_json(whole));
    for (auto const& item : whole.items()) {
        auto without = whole;
        without.erase(item.key());
        EXPECT_THROW(measurement_from_json(without), CorruptData) << "without " << item.key();
        if (item.key() == "host") continue;  // may be anything
        auto mistyped = whole;
        mistyped[item.key()] = Json{{"not", "this"}};
        EXPECT_THROW(measurement_from_json(mistyped), CorruptData) << item.key() << " mistyped";
    }
    for (auto const* list : {"figures", "samples", "profiles"})
        for (auto const& item : whole[list][0].items()) {
            auto without = whole;
            without[list][0].erase(item.key());
            EXPECT_THROW(measurement_from_json(without), CorruptData) << list << " without " << item.key();
            auto mistyped = whole;
            mistyped[list][0][item.key()] = Json{{"not", "this"}};
            EXPECT_THROW(measurement_from_json(mistyped), CorruptData) << list << "." << item.key() << " mistyped";
        }
    for (auto const& wrong : {Json(), Json(1), Json::array(), Json("x")})
        EXPECT_THROW(measurement_from_json(wrong), CorruptData);
    auto beyond = whole;
    beyond["process"] = 1LL << 40;
    EXPECT_THROW(measurement_from_json(beyond), CorruptData);
    beyond["process"] = 1.5;
    EXPECT_THROW(measurement_from_json(beyond), CorruptData);
    auto negative = whole;
    negative["figures"][0]["n"] = -1;
    EXPECT_THROW(measurement_from_json(negative), CorruptData);
    auto status = whole;
    status["status"] = "fine";
    EXPECT_THROW(measurement_from_json(status), CorruptData);
}

TEST(MeasurementTest, StatusNamesGoBothWays) {
    for (auto const status : {Status::ok, Status::verify_failed, Status::error, Status::crash, Status::timeout,
                              Status::oom, Status::node_lost, Status::skipped})
        EXPECT_EQ(status_named(name_of(status)), status);
    test::expect_error<ConfigError>([] { status_named("timed_out"); }, "accepted: ok, verify_failed");
}

}  // namespace
}  // namespace kvstone
