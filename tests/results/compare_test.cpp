// Two campaigns side by side: equal figures, worse ones, and those that are only from another machine.

#include "results/verdict/compare.hpp"

#include <cmath>
#include <map>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::expect_error;

/// The figures of one build at cells int8 and another codec.
struct Made {
    double int8_error = 0.01;
    double time_ns = 1000;  ///< of the first process; each further one takes 1 ns longer
    int processes = 1;
    std::string git_sha = "aaaa0000000000000000000000000000000000aa";
    std::string source_hash = "5eed5eed5eed5eed";
    std::string hardware = "hw";
    std::vector<double> answers = {};
    double rss_bytes = 0;  ///< 0: not told
    std::string night = {};
    std::string other_codec = "q4_0";
    std::map<std::string, double> counts = {};  ///< in place of all other figures
    std::string energy = {};                    ///< domains; empty: none
};

std::string make(Store& store, Made const& made) {
    auto plan = test::plan({test::cell("int8"), test::cell(made.other_codec)}, made.processes);
    plan.measure.energy = !made.energy.empty();
    auto const campaign =
        store.begin_campaign(plan, test::build(made.git_sha, made.source_hash), made.hardware, true, made.night);
    std::vector<Measurement> all;
    for (auto const& cell : plan.cells)
        for (int process = 0; process < made.processes; ++process) {
            auto m = test::measurement(cell, Status::ok, 0.75, process);
            m.figures = {{"kv", "relative_error_l1", cell.codec == "int8" ? made.int8_error : 0.05, 1, {}, {}},
                         {"kv", "decode_ns", made.time_ns + process, 3, {}, {}}};
            m.samples.clear();
            if (!made.counts.empty()) m.figures.clear();
            for (auto const& [metric, count] : made.counts) m.figures.push_back({"kv", metric, count, 1, {}, {}});
            if (!made.energy.empty()) {
                m.host["energy"] = made.energy;
                m.figures.push_back({"kv", "encode_joules_per_gb", made.time_ns, 3, {}, {}});
            }
            if (made.rss_bytes > 0) m.figures.push_back({"kv", "peak_rss_bytes", made.rss_bytes, 1, {}, {}});
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
    EXPECT_EQ(same->verdict, Verdict::pass);
    EXPECT_EQ(same->equal, 2U);
    EXPECT_TRUE(same->rows.empty());
    auto const worse = compare({}, {.int8_error = std::nextafter(0.01, 1)});
    ASSERT_EQ(worse->rows.size(), 1U);
    EXPECT_EQ(worse->verdict, Verdict::regression);
    EXPECT_EQ(worse->rows[0].cell->cell.codec, "int8");
    auto const better = compare({}, {.int8_error = 0.009});
    EXPECT_EQ(better->verdict, Verdict::pass);
    EXPECT_EQ(better->rows.at(0).why, "better");
}

TEST_F(CompareTest, AnotherMachineOrToolchainIsNamedAndNotBlamedOnTheCode) {
    auto const elsewhere = compare({}, {.int8_error = 0.02, .hardware = "other"});
    EXPECT_EQ(elsewhere->verdict, Verdict::inconclusive);
    EXPECT_THAT(elsewhere->rows.at(0).why, testing::HasSubstr("another hardware class"));
    EXPECT_THAT(elsewhere->circumstances.differences, testing::ElementsAre(testing::StartsWith("hardware differs")));
    auto base = Side{}, head = Side{};
    head.toolchain = "another";
    EXPECT_EQ(circumstances(base, head).excuse(false), "another toolchain");
    EXPECT_EQ(circumstances(base, head).excuse(true), "");
}

TEST_F(CompareTest, CountsOfWorkAreJudgedBeyondWhatLinkingMoves) {
    std::map<std::string, double> const base{
        {"encode_instructions", 200},   {"encode_l1_misses", 0.1}, {"encode_last_level_misses", 0.02},
        {"encode_branch_misses", 0.01}, {"program_bytes", 1e6},    {"start_instructions", 1e7}};
    auto const against = [&](std::string const& metric, double factor, std::string const& hardware = "hw") {
        auto head = base;
        head[metric] *= factor;
        return compare({.counts = base}, {.hardware = hardware, .counts = head});
    };
    auto const same = against("encode_instructions", 1);
    EXPECT_EQ(same->verdict, Verdict::pass);
    EXPECT_EQ(same->counts, 12U) << "six at each of two cells";
    EXPECT_EQ(same->equal_counts, 12U);
    EXPECT_EQ(same->timings, 0U);
    EXPECT_EQ(same->equal, 0U) << "the sum has each figure once";
    for (auto const& [metric, allowed] : {std::pair{"encode_instructions", 0.01},
                                          {"encode_last_level_misses", 0.01},
                                          {"encode_l1_misses", 0.05},
                                          {"start_instructions", 0.05},
                                          {"program_bytes", 0.02}}) {
        auto const within = against(metric, 1 + 0.99 * allowed);
        EXPECT_EQ(within->verdict, Verdict::pass) << metric;
        EXPECT_EQ(within->within_margin, 0U) << metric;
        EXPECT_EQ(within->equal, 0U) << metric;
        EXPECT_EQ(within->counts, 12U) << metric;
        EXPECT_EQ(within->equal_counts, 10U) << metric;
        EXPECT_TRUE(within->rows.empty()) << metric;
        auto const worse = against(metric, 1 + 1.01 * allowed);
        EXPECT_EQ(worse->verdict, Verdict::regression) << metric;
        ASSERT_EQ(worse->rows.size(), 2U) << metric;
        EXPECT_EQ(worse->rows[0].why, fmt::format("worse by more than {:g}%", 100 * allowed));
        EXPECT_EQ(worse->counts, 12U);
        auto const better = against(metric, 1 - 1.01 * allowed);
        EXPECT_EQ(better->verdict, Verdict::pass) << metric;
        EXPECT_EQ(better->rows.size(), 2U) << "it is told";
        EXPECT_EQ(against(metric, 1.3, "another")->verdict, Verdict::inconclusive) << metric;
    }
    EXPECT_EQ(against("encode_branch_misses", 1.3)->verdict, Verdict::advisory) << "linking moves them by as much";
    std::ostringstream told;
    print_comparison(told, *against("encode_instructions", 1.3), TableFormat::md, {});
    EXPECT_THAT(told.str(), testing::HasSubstr("12 counts of work compared, 10 of them equal"));
    EXPECT_EQ(to_json(*same)["counts"], 12);
}

TEST_F(CompareTest, EnergiesOfTwoOccasionsAreAdvisoryAndOfTwoDomainsNone) {
    auto const same = compare({.energy = "package-0"}, {.time_ns = 3000, .energy = "package-0"});
    EXPECT_EQ(same->verdict, Verdict::pass) << "one process bears no interval";
    EXPECT_EQ(same->timings, 4U) << "they depend on the machine as times do";
    auto const other = compare({.energy = "package-0"}, {.energy = "package-0 + package-0/dram"});
    EXPECT_EQ(other->verdict, Verdict::inconclusive);
    ASSERT_EQ(other->rows.size(), 2U);
    EXPECT_EQ(other->rows[0].why, "energy of other domains");
    EXPECT_THAT(other->circumstances.differences,
                testing::ElementsAre("energy is that of package-0 and of package-0 + package-0/dram"));
}

TEST_F(CompareTest, TimingsOfTwoOccasionsAreAdvisoryAtBestInconclusive) {
    auto const once = compare({}, {.time_ns = 3000});
    EXPECT_EQ(once->verdict, Verdict::pass) << "one process bears no interval";
    EXPECT_EQ(once->timings, 2U);
    auto const often = compare({.processes = 5}, {.time_ns = 1200, .processes = 5});
    EXPECT_EQ(often->verdict, Verdict::inconclusive);
    ASSERT_EQ(often->rows.size(), 2U);
    EXPECT_THAT(often->rows[0].why, testing::HasSubstr("not interleaved"));
    EXPECT_NEAR(often->rows[0].figure->change->value, 0.2, 0.01);
    EXPECT_EQ(compare({.processes = 5}, {.time_ns = 800, .processes = 5})->verdict, Verdict::advisory) << "faster";
}

TEST_F(CompareTest, TimingsOfCommandsAreSaidToBeOfAnotherProcess) {
    std::string const mine = "external:name=mine,kind=command,hash=0123456789abcdef";
    auto const both =
        compare({.processes = 5, .other_codec = mine}, {.time_ns = 1200, .processes = 5, .other_codec = mine});
    ASSERT_EQ(both->rows.size(), 2U);
    for (auto const& row : both->rows)
        EXPECT_EQ(row.why.find("; times of another process") != std::string::npos, row.cell->cell.codec == mine)
            << row.why;
}

TEST_F(CompareTest, AnswersAreComparedItemByItem) {
    std::vector<double> before(400, 1), few = before, many = before;
    for (int i = 0; i < 2; ++i) few[static_cast<std::size_t>(i)] = 0;
    for (int i = 0; i < 60; ++i) many[static_cast<std::size_t>(i)] = 0;
    CompareOptions const margin{.accuracy_margin = 0.02};
    auto const good = compare({.answers = before}, {.answers = few}, margin);
    EXPECT_EQ(good->verdict, Verdict::pass);
    auto const bad = compare({.answers = before}, {.answers = many}, margin);
    EXPECT_EQ(bad->verdict, Verdict::regression);
    EXPECT_THAT(bad->rows.at(0).why, testing::HasSubstr("60 items lost"));
    auto const unsure = compare({.answers = {1, 1, 0, 1}}, {.answers = {1, 1, 0, 1}}, margin);
    EXPECT_EQ(unsure->verdict, Verdict::inconclusive) << "four items show nothing";
    EXPECT_GT(*unsure->rows.at(0).figure->detectable, 0.02);
}

TEST_F(CompareTest, WhatDidNotChangeBeyondItsMarginIsLeftOutAndCounted) {
    auto const shown = [&](Made const& before, Made const& after, CompareOptions const& options = {}) {
        return compare(before, after, options)->rows.size();
    };
    std::vector<double> const answers(400, 1);
    auto few = answers;
    few[0] = 0;
    EXPECT_EQ(shown({.answers = answers}, {.answers = few}, {.accuracy_margin = 0.02}), 0U)
        << "a quarter of a hundredth";
    auto many = answers;
    for (std::size_t i = 0; i < 60; ++i) many[i] = 0;
    EXPECT_EQ(shown({.answers = many}, {.answers = answers}, {.accuracy_margin = 0.02}), 2U)
        << "better beyond the margin";
    EXPECT_EQ(shown({.rss_bytes = 1e6}, {.rss_bytes = 1.01e6}), 0U);
    EXPECT_EQ(shown({.rss_bytes = 1e6}, {.rss_bytes = 1.5e6}), 2U);
    EXPECT_EQ(compare({.rss_bytes = 1e6}, {.rss_bytes = 1.01e6})->within_margin, 2U) << "timings are counted apart";
    EXPECT_EQ(shown({.processes = 5}, {.time_ns = 1001, .processes = 5}), 0U);
}

TEST_F(CompareTest, PeopleReadPerCentAndCountsOfCells) {
    auto const cell = [](std::string const& codec, std::string const& title, std::string const& status, double error) {
        SideCell one;
        one.cell.id = codec + title;
        one.cell.codec_name = codec;
        one.title = title;
        one.status = status;
        if (status == "ok")
            one.figures = {{static_cast<std::uint16_t>(metric_index("relative_error_l1")), 2, 0, error, NAN, NAN}};
        return one;
    };
    Side base, head;
    base.campaign = "a";
    for (auto const* title : {"one", "two", "three"})
        for (auto const* codec : {"int8", "q4_0"}) base.cells.push_back(cell(codec, title, "ok", 0.1));
    head.cells = {cell("int8", "one", "ok", 0.105), cell("q4_0", "one", "crash", 0), cell("q4_0", "two", "crash", 0)};
    auto const table = [&](bool everything) { return rows_of(*compare_sides(base, head, {}, everything), true).rows; };
    auto const rows = table(false);
    ASSERT_EQ(rows.size(), 4U);
    EXPECT_EQ(std::get<std::string>(rows[0][6]), "+5%");
    auto const line = [&](std::size_t i) {
        return std::get<std::string>(rows[i][0]) + "/" + std::get<std::string>(rows[i][1]) + "/" +
               std::get<std::string>(rows[i][11]);
    };
    EXPECT_THAT((std::vector{line(1), line(2), line(3)}),
                testing::UnorderedElementsAre("2 cells/q4_0/failed", "2 cells/int8/missing", "three/q4_0/missing"));
    EXPECT_EQ(table(true).size(), 6U) << "one by one where everything was asked for";
    auto const numbers = rows_of(*compare_sides(base, head, {}, false), false).rows;
    ASSERT_EQ(numbers.size(), 6U) << "programs get every row";
    EXPECT_NEAR(std::get<double>(numbers[0][6]), 0.05, 1e-12);
}

TEST_F(CompareTest, WhatFailedInTheBaseIsNotPassed) {
    auto const all = [](std::string const& status) {
        Side side;
        SideCell cell;
        cell.cell.id = "c";
        cell.status = status;
        if (status == "ok") cell.figures = {{static_cast<std::uint16_t>(metric_index("mae")), 2, 0, 1.0, NAN, NAN}};
        side.cells = {cell};
        return side;
    };
    auto const judged = [&](std::string const& base, std::string const& head) {
        return compare_sides(all(base), all(head), {}, false)->verdict;
    };
    EXPECT_EQ(judged("ok", "ok"), Verdict::pass);
    EXPECT_EQ(judged("crash", "ok"), Verdict::missing) << "nothing was compared";
    EXPECT_EQ(judged("crash", "crash"), Verdict::failed);
    EXPECT_EQ(judged("skipped", "skipped"), Verdict::missing);
    EXPECT_EQ(compare_sides({}, {}, {}, false)->verdict, Verdict::missing);
    auto base = all("crash"), head = all("ok");
    base.cells.push_back(all("ok").cells[0]);
    base.cells[1].cell.id = "d";
    head.cells.push_back(base.cells[1]);
    auto const partly = compare_sides(base, head, {}, false);
    EXPECT_EQ(partly->verdict, Verdict::inconclusive);
    EXPECT_EQ(partly->rows.at(0).why, "ok; was crash");
}

TEST_F(CompareTest, AScenariosNameMeansItsLastTwoCampaigns) {
    std::string first, second, other;
    {
        auto store = Store::open(folder_.file());
        first = make(store, {});
        expect_error<ConfigError>([&] { read_sides(folder_.file(), "quickstart", ""); }, "one campaign only");
        second = make(store, {.git_sha = "bbbb0000000000000000000000000000000000bb"});
        auto plan = test::plan({test::cell("fp16")});
        plan.scenario = "other";
        other = store.begin_campaign(plan, test::build(), "hw", true).id;
    }
    auto const meant = [&](std::string const& base, std::string const& head) {
        auto const [b, h] = read_sides(folder_.file(), base, head);
        return std::pair(b.campaign, h.campaign);
    };
    EXPECT_EQ(meant("quickstart", ""), std::pair(first, second)) << "and not the latest of any";
    EXPECT_EQ(meant(first, ""), std::pair(first, second));
    EXPECT_EQ(meant(first, "latest"), std::pair(first, other)) << "what was named is taken";
    EXPECT_EQ(meant("latest", ""), std::pair(other, other));
}

TEST_F(CompareTest, ACampaignIsNotComparedWithItself) {
    std::string one;
    {
        auto store = Store::open(folder_.file());
        one = make(store, {});
    }
    auto const refused = [&](std::string const& base, std::string const& head) {
        auto const [b, h] = read_sides(folder_.file(), base, head);
        expect_error<ConfigError>([&] { expect_two_campaigns(b, h); }, "are the same campaign");
    };
    refused(one, "latest");
    refused("latest", "latest");
    auto const copy = folder_.file("copy.db");
    std::filesystem::copy_file(folder_.file(), copy);
    refused(copy, "latest");
    // The same plan and build, measured again elsewhere, has the same id and is another campaign.
    {
        auto store = Store::open(folder_.file("elsewhere.db"));
        ASSERT_EQ(make(store, {}), one);
    }
    auto const [here, there] = read_sides(folder_.file(), folder_.file("elsewhere.db"), "latest");
    EXPECT_NO_THROW(expect_two_campaigns(here, there));
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

TEST_F(CompareTest, NightsOfOneBuildStandSideBySide) {
    auto const comparison =
        compare({.int8_error = 0.01, .night = "2026-11-29"}, {.int8_error = 0.02, .night = "2026-11-30"});
    std::ostringstream out;
    print_comparison(out, *comparison, TableFormat::table, {});
    EXPECT_THAT(out.str(), testing::HasSubstr("night 2026-11-29"));
    EXPECT_THAT(out.str(), testing::HasSubstr("night 2026-11-30"));
    EXPECT_EQ(comparison->verdict, Verdict::regression);
    EXPECT_EQ(to_json(*comparison)["base"]["night"], "2026-11-29");
    auto const meant = [&](std::string const& base, std::string const& head) {
        auto const [b, h] = read_sides(folder_.file(), base, head);
        return std::pair(b.night, h.night);
    };
    EXPECT_EQ(meant("quickstart", ""), std::pair(std::string("2026-11-29"), std::string("2026-11-30")));
    EXPECT_EQ(meant("2026-11-29", ""), std::pair(std::string("2026-11-29"), std::string("2026-11-30")));
    EXPECT_EQ(meant("2026-11-30", "2026-11-29"), std::pair(std::string("2026-11-30"), std::string("2026-11-29")));
    expect_error<ConfigError>([&] { meant("2026-11-28", ""); }, "a night's name");
    // Of two scenarios of a night that of the head's.
    {
        auto store = Store::open(folder_.file());
        auto plan = test::plan({test::cell("fp16")});
        plan.scenario = "other";
        store.begin_campaign(plan, test::build(), "hw", false, "2026-11-29");
    }
    auto const [base, head] = read_sides(folder_.file(), "2026-11-29", "2026-11-30");
    EXPECT_EQ(base.scenario, "quickstart");
    EXPECT_EQ(base.night, "2026-11-29");
}

TEST_F(CompareTest, EditsOfACommitAreNamedAndToldApart) {
    std::string const commit = "aaaa0000000000000000000000000000000000aa", dirty = commit + "-dirty";
    auto const comparison = compare({.git_sha = dirty, .source_hash = "1111111111111111"},
                                    {.git_sha = dirty, .source_hash = "2222222222222222"});
    std::ostringstream out;
    print_comparison(out, *comparison, TableFormat::table, {});
    EXPECT_THAT(out.str(), testing::HasSubstr("build aaaa00000000-dirty-11111111\n"));
    EXPECT_THAT(out.str(), testing::HasSubstr("build aaaa00000000-dirty-22222222\n"));
    EXPECT_EQ(to_json(*comparison)["head"]["source_hash"], "2222222222222222");

    auto const found = [&](std::string const& meant) { return read_side(folder_.file(), meant).campaign; };
    EXPECT_EQ(found("aaaa00000000-dirty-1"), comparison->base.campaign);
    expect_error<ConfigError>([&] { found("aaaa"); }, "more than one campaign or commit starts with this");
    expect_error<ConfigError>([&] { found(commit); }, "more than one campaign or commit starts with this");
    std::string clean;
    {
        auto store = Store::open(folder_.file());
        clean = make(store, {.git_sha = commit});
    }
    EXPECT_EQ(found(commit), clean) << "the commit itself goes before edits of it";
    EXPECT_EQ(found("aaaa00000000"), clean) << "as `show` names it";
}

}  // namespace
}  // namespace kvstone
