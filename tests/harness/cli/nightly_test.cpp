// `gate --nightly` over a database of nights made up: when it can judge, what it finds, and which nights are good.

#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class NightlyTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        write("p.yaml",
              "gate: 1\nrules: [decode_ns no worse than 5%, stored_bytes no worse than 0%, decode_ns <= 1e9]\n");
    }

    struct Facts {
        double slower = 0;  ///< of int8, in parts
        double bytes = 1000;
        std::string toolchain = "feedfacefeedface";
    };
    /// The next night: int8 and q4_0 with noise of 0.3%, the same in every run of the test.
    void night(Facts const& facts) {
        ++nights_;
        auto store = Store::open(path("kvstone.db").string());
        auto const plan = test::plan({test::cell("int8"), test::cell("q4_0")});
        auto build = test::build(fmt::format("{:040x}", nights_));
        build.toolchain = facts.toolchain;
        auto const campaign = store.begin_campaign(plan, build, "hw", false, fmt::format("n{:02}", nights_));
        std::vector<Measurement> measured;
        for (auto const& cell : plan.cells) {
            auto m = test::measurement(cell);
            double const time = 1e6 * std::exp(noise_(random_)) * (cell.codec == "int8" ? 1 + facts.slower : 1);
            m.figures = {{"kv", "decode_ns", time, 3, {}, {}}, {"kv", "stored_bytes", facts.bytes, 1, {}, {}}};
            m.samples.clear();
            measured.push_back(std::move(m));
        }
        store.ingest(campaign, measured);
        execute(store.connection(), fmt::format("UPDATE campaign SET started_utc = strftime('%Y-%m-%dT01:00:00.000Z', "
                                                "'2026-01-01', '+{} days') WHERE uid = '{}'",
                                                nights_, campaign.id));
    }
    void nights(int count, Facts const& facts) {
        for (int i = 0; i < count; ++i) night(facts);
    }
    Ended gate(std::string const& more = "") const { return kvstone("gate p.yaml --nightly " + more); }

  private:
    int nights_ = 0;
    std::mt19937_64 random_{20260301};
    std::normal_distribution<double> noise_{0, 0.003};
};

TEST_F(NightlyTest, TheFirstNightsSayHowManyAreNeeded) {
    // 2 timings and 1% a year: a level of 1.37e-5, a twelfth of which takes 876000 orders. C(23, 14) = 817190 of 9 good
    // nights are too few, C(24, 14) = 1961256 of 10 are enough.
    for (int before = 0; before <= 11; ++before) {
        night({});
        auto const judged = gate();
        EXPECT_EQ(judged.code, before < 10 ? 3 : 0) << before << judged.out << judged.err;
        if (before < 10) {
            EXPECT_THAT(judged.out, HasSubstr(fmt::format("needs 10 good nights, has {}", before)));
        }
    }
    auto const last = gate("--json");
    auto const answer = json::parse(last.out);
    EXPECT_EQ(answer["tests"], 2);
    for (auto const& finding : answer["decisions"]) EXPECT_EQ(finding["judgement"], "pass") << finding;
    EXPECT_THAT(gate().out, HasSubstr("night n12 beside 11 good nights; 2 timings share an error budget of 1% a year"));
    EXPECT_THAT(answer["decisions"][0]["why"].get<std::string>(), HasSubstr("5.0% would be found after"));
    for (std::size_t number = 1; number <= answer["decisions"].size(); ++number)
        EXPECT_EQ(kvstone(fmt::format("explain {}.{}", answer["gate"].get<std::string>(), number)).code, 0) << number;
}

TEST_F(NightlyTest, ASlowDownIsFoundWithItsFirstNightAndItsRepairPasses) {
    nights(20, {});
    EXPECT_EQ(gate().code, 3) << "no night has been judged";
    EXPECT_EQ(gate("--good all").code, 0);
    // Beside 20, 7 nights have C(27, 7) = 888030 orders, which is enough, and 6 have 230230.
    for (int slow = 1; slow <= 6; ++slow) {
        night({.slower = 0.1});
        auto const judged = gate("--good all");
        // Slow nights that pass for good ones widen the scatter: soon nothing so small could be found.
        EXPECT_EQ(judged.code, slow <= 2 ? 0 : 3) << slow << judged.out;
        EXPECT_EQ(judged.out.find("one night alone proves nothing") != std::string::npos, slow == 1) << judged.out;
    }
    night({.slower = 0.1});
    auto const found = gate("--good all");
    EXPECT_EQ(found.code, 1) << found.out << found.err;
    EXPECT_THAT(found.out, HasSubstr("in the last 7 nights beside 20 good nights"));
    EXPECT_THAT(found.out, HasSubstr("since n21"));
    EXPECT_THAT(found.out, HasSubstr("kvstone bisect p.yaml 000000000000 000000000000"));
    EXPECT_EQ(gate("--good all --head n20").code, 0);
    // By their own gates the nights of the change are no good ones any more: n27 failed, and it said since when.
    for (int number = 1; number <= 20; ++number)
        ASSERT_EQ(gate(fmt::format("--good all --head n{:02} --inconclusive warn", number)).code, 0) << number;
    nights(35, {.slower = 0.1});
    auto const still = gate();
    EXPECT_EQ(still.code, 1) << still.out;
    EXPECT_THAT(still.out, HasSubstr("beside 20 good nights"));
    night({});
    EXPECT_EQ(gate().code, 0) << "repaired";
    night({.slower = 0.1});
    EXPECT_EQ(gate("--since n21 --good all").code, 0) << "the new level was accepted";
}

TEST_F(NightlyTest, ExactFiguresAreComparedWithTheLastGoodNight) {
    nights(20, {});
    ASSERT_EQ(gate("--good all").code, 0);
    night({.bytes = 1001});
    auto const more = gate("--good all");
    EXPECT_EQ(more.code, 1) << more.out;
    EXPECT_THAT(more.out, HasSubstr("regression  stored_bytes no worse than 0%"));
    night({.bytes = 1001});
    EXPECT_EQ(gate("--good all").code, 0) << "the last night is good, the user says";
    EXPECT_EQ(gate("--good all --drop n21").code, 1) << "and so it is not";
    auto const before = gate("--good all --drop n22");
    EXPECT_EQ(before.code, 1);
    EXPECT_THAT(before.out, HasSubstr("n21")) << "without the newest night the one before it is judged";
    EXPECT_THAT(before.out, testing::Not(HasSubstr("n22")));
}

TEST_F(NightlyTest, AnotherToolchainIsNoRegressionOfTheCode) {
    nights(40, {});
    nights(6, {.slower = 0.1, .toolchain = "0123456789abcdef"});
    auto const excused = gate("--good all");
    EXPECT_EQ(excused.code, 3) << excused.out;
    EXPECT_THAT(excused.out, HasSubstr("n40 had another toolchain"));
    EXPECT_EQ(gate("--good all --across-toolchains").code, 1);
}

TEST_F(NightlyTest, WrongQuestionsAreRefused) {
    Store::open(path("kvstone.db").string());
    auto const none = gate();
    EXPECT_EQ(none.code, 2);
    EXPECT_THAT(none.err, HasSubstr("the database has no night"));
    nights(3, {});
    for (auto const& [arguments, why] : {std::pair{"--good n04", "--good names no night"},
                                         {"--drop n1", "--drop names no night"},
                                         {"--since x", "--since names no night"},
                                         {"--head x", "no night has this name"},
                                         {"--head n03 --drop n03", "the night that --head names"},
                                         {"--drop all", "--drop leaves out every night"},
                                         {"--run", "excludes"},
                                         {"--base latest", "excludes"}}) {
        auto const refused = gate(arguments);
        EXPECT_EQ(refused.code, 2) << arguments;
        EXPECT_THAT(refused.err, HasSubstr(why)) << arguments;
    }
    EXPECT_EQ(kvstone("gate p.yaml --drop n01").code, 2) << "only with --nightly";
    // A line that forgets --run must not pass for having compared nothing.
    for (auto const* option :
         {"--base-ref main", "--scenario s", "--set a=b", "--only q8_0", "--inject-slowdown all=2"})
        EXPECT_EQ(kvstone("gate p.yaml " + std::string(option)).code, 2) << option;
}

TEST_F(NightlyTest, YearsAreSimulatedOnRequest) {
    nights(30, {});
    auto const told = gate("--good all --simulate 3 --json");
    ASSERT_EQ(told.code, 0) << told.err;
    auto const answer = json::parse(told.out);
    EXPECT_EQ(answer["tests"], 2);
    EXPECT_EQ(answer["needed"], 10);
    EXPECT_EQ(answer["nights"].back()["nights"], "stored nights of 2 timings");
    EXPECT_EQ(answer["nights"][0]["years"], 3);
    EXPECT_EQ(answer["nights"][0]["delays"][2]["found"], 3);
    EXPECT_THAT(gate("--good all --simulate 2").out, HasSubstr("2 timings beside 60 good nights"));
}

}  // namespace
}  // namespace kvstone
