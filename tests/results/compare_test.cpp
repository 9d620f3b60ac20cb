// Two campaigns side by side: what is equal, what is worse, and what is only said to be another machine.

#include "results/verdict/compare.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::expect_error;

/// What one build measured at cells int8 and q4_0.
struct Made {
    double int8_error = 0.01;
    double time_ns = 1000;  ///< of the first process; each further one takes 1 ns longer
    int processes = 1;
    std::string git_sha = "aaaa0000000000000000000000000000000000aa";
    std::string hardware = "hw";
    std::vector<double> answers = {};
};

std::string make(Store& store, Made const& made) {
    auto const plan = test::plan({test::cell("int8"), test::cell("q4_0")}, made.processes);
    auto const campaign = store.begin_campaign(plan, test::build(made.git_sha), made.hardware, true);
    std::vector<Measurement> all;
    for (auto const& cell : plan.cells)
        for (int process = 0; process < made.processes; ++process) {
            auto m = test::measurement(cell, Status::ok, 0.75, process);
            m.figures = {{"kv", "relative_error_l1", cell.codec == "int8" ? made.int8_error : 0.05, 1, {}, {}},
                         {"kv", "decode_ns", made.time_ns + process, 3, {}, {}}};
            m.samples.clear();
            if (!made.answers.empty() && process == 0) {
                m.figures.push_back({"kv", "acc", 0.5, made.answers.size(), {}, {}});
                m.samples.push_back({"kv", "acc", made.answers});
            }
            all.push_back(std::move(m));
        }
    store.ingest(campaign, all);
    return campaign.id;
}

class CompareTest : public testing::Test {
  protected:
    std::unique_ptr<Comparison> compare(Made const& before, Made const& after, CompareOptions const& options = {}) {
        std::string base, head;
        {
            auto store = Store::open(folder_.file());
            base = make(store, before);
            head = make(store, after);
        }
        return compare_sides(read_side(folder_.file(), base), read_side(folder_.file(), head), options, false);
    }

    test::Folder folder_;
};

TEST_F(CompareTest, DeterministicFiguresAreEqualToTheLastDigitOrWorse) {
    auto const same = compare({}, {});
    EXPECT_EQ(same->judgement, Judgement::pass);
    EXPECT_EQ(same->equal, 2U);
    EXPECT_TRUE(same->rows.empty());
    auto const worse = compare({}, {.int8_error = std::nextafter(0.01, 1)});
    ASSERT_EQ(worse->rows.size(), 1U);
    EXPECT_EQ(worse->judgement, Judgement::regression);
    EXPECT_EQ(worse->rows[0].cell->cell.codec, "int8");
    auto const better = compare({}, {.int8_error = 0.009});
    EXPECT_EQ(better->judgement, Judgement::pass);
    EXPECT_EQ(better->rows.at(0).why, "better");
}

TEST_F(CompareTest, AnotherMachineOrToolchainIsNamedAndNotBlamedOnTheCode) {
    auto const elsewhere = compare({}, {.int8_error = 0.02, .hardware = "other"});
    EXPECT_EQ(elsewhere->judgement, Judgement::inconclusive);
    EXPECT_THAT(elsewhere->rows.at(0).why, testing::HasSubstr("another hardware class"));
    EXPECT_THAT(elsewhere->circumstances.differences, testing::ElementsAre(testing::StartsWith("hardware differs")));
    auto base = Side{}, head = Side{};
    head.toolchain = "another";
    EXPECT_EQ(circumstances(base, head).excuse(false), "another toolchain");
    EXPECT_EQ(circumstances(base, head).excuse(true), "");
}

TEST_F(CompareTest, TimingsOfTwoOccasionsAreAdvisoryAtBestInconclusive) {
    auto const once = compare({}, {.time_ns = 3000});
    EXPECT_EQ(once->judgement, Judgement::pass) << "one process bears no interval";
    EXPECT_EQ(once->timings, 2U);
    auto const often = compare({.processes = 5}, {.time_ns = 1200, .processes = 5});
    EXPECT_EQ(often->judgement, Judgement::inconclusive);
    ASSERT_EQ(often->rows.size(), 2U);
    EXPECT_THAT(often->rows[0].why, testing::HasSubstr("not interleaved"));
    EXPECT_NEAR(often->rows[0].figure->change->value, 0.2, 0.01);
    EXPECT_EQ(compare({.processes = 5}, {.time_ns = 800, .processes = 5})->judgement, Judgement::advisory) << "faster";
}

TEST_F(CompareTest, AnswersAreComparedItemByItem) {
    std::vector<double> before(400, 1), few = before, many = before;
    for (int i = 0; i < 2; ++i) few[static_cast<std::size_t>(i)] = 0;
    for (int i = 0; i < 60; ++i) many[static_cast<std::size_t>(i)] = 0;
    CompareOptions const margin{.accuracy_margin = 0.02};
    auto const good = compare({.answers = before}, {.answers = few}, margin);
    EXPECT_EQ(good->judgement, Judgement::pass);
    auto const bad = compare({.answers = before}, {.answers = many}, margin);
    EXPECT_EQ(bad->judgement, Judgement::regression);
    EXPECT_THAT(bad->rows.at(0).why, testing::HasSubstr("60 items lost"));
    auto const unsure = compare({.answers = {1, 1, 0, 1}}, {.answers = {1, 1, 0, 1}}, margin);
    EXPECT_EQ(unsure->judgement, Judgement::inconclusive) << "four items show nothing";
    EXPECT_GT(*unsure->rows.at(0).figure->detectable, 0.02);
}

TEST_F(CompareTest, SidesAreFoundByWhatPeopleCallThem) {
    std::string first, second;
    {
        auto store = Store::open(folder_.file());
        first = make(store, {});
        second = make(store, {.git_sha = "bbbb0000000000000000000000000000000000bb"});
    }
    auto const found = [&](std::string const& meant) { return read_side(folder_.file(), meant).campaign; };
    EXPECT_EQ(found("latest"), second);
    EXPECT_EQ(found("quickstart"), second);
    EXPECT_EQ(found("aaaa"), first);
    EXPECT_EQ(found(first.substr(0, 10)), first);
    EXPECT_EQ(read_side("none.db", folder_.file() + ":aaaa").campaign, first);
    expect_error<ConfigError>([&] { found("zzzz"); }, "'zzzz'; accepted: latest");
}

}  // namespace
}  // namespace kvstone
