// The summary after a run.

#include "results/query/show.hpp"

#include <chrono>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "results/record/text.hpp"
#include "results/store/schema.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string shown(Store const& store, ShowOptions const& options = {}) {
    std::ostringstream out;
    show_summary(store, out, options);
    return out.str();
}

Measurement full_measurement(Cell const& cell) {
    auto m = test::measurement(cell);
    m.figures.clear();
    for (auto const* component : {"k", "v"})
        for (auto const& [metric, value] : {std::pair{"cosine", 0.999987654}, {"nmse", 2.8645e-5}})
            m.figures.push_back({component, metric, value, 1, {}, {}});
    for (auto const& [metric, value] : {std::pair{"bits_per_value", 8.0014},
                                        {"ratio_vs_fp16", 1.99965},
                                        {"encode_gb_per_s", 123.46},
                                        {"encode_roofline", 0.875},
                                        {"decode_gb_per_s", 20.0},
                                        {"decode_roofline", 1.0}})
        m.figures.push_back({"kv", metric, value, 1, {}, {}});
    return m;
}

TEST(ShowTest, TellsFiguresFailuresAndPublishedOnes) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const int8 = test::cell("int8"), crash = test::cell("gear"), later = test::cell("zstd");
    auto long_name = test::cell("raw", 2048);
    long_name.codec_name = "a display name that is longer than its column";
    auto plan = test::plan({int8, crash, later, long_name});
    plan.published = {{{{"codec", "int8"}, {"context", 512}}, "kv", "ratio_vs_fp16", 2.0, "paper, table 3", "exact"}};
    auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
    store.ingest(campaign,
                 {full_measurement(int8), test::measurement(crash, Status::crash), full_measurement(long_name)});
    auto const text = shown(store);
    EXPECT_THAT(text, HasSubstr("quickstart  campaign " + campaign.id + "  2/4 cells ok, 1 failed, 1 missing\n"));
    EXPECT_THAT(text, HasSubstr("AMD EPYC x2 24GiB"));
    EXPECT_THAT(text, HasSubstr("\nroundtrip  tiny  512 tokens  openmp\n"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "\ncodec  bits/val  vs fp16  K cosine    K nmse  V cosine    V nmse  enc GB/s  enc M  dec GB/s  dec M\n"
            "int8      8.001    2.000  0.999988  2.86e-05  0.999988  2.86e-05     123.5  0.875    20.000  1.000\n"
            "gear   crash\n"
            "zstd   missing\n"));
    EXPECT_THAT(text, testing::ContainsRegex("\na display name that is +8.001 "));
    EXPECT_THAT(text, HasSubstr("\nlonger than its column\n")) << "no name is cut: two codecs could look the same";
    EXPECT_THAT(text, HasSubstr("\nNot ok\n"));
    EXPECT_THAT(text, HasSubstr("crash   because"));
    EXPECT_THAT(text, HasSubstr("\nBeside published figures\n"));
    EXPECT_THAT(text, HasSubstr("-0.00035"));
    EXPECT_THAT(text, Not(HasSubstr("\nTargets\n")));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 120U) << line;
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(shown(store, {.screen = {.colour = true}}), HasSubstr("\x1b[31mcrash\x1b[0m"));
}

TEST(ShowTest, LeavesOutTheAnswersOfAModelThatGuesses) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const knowing = test::cell("int8"), guessing = test::cell("gear");
    auto const measured = [](Cell const& cell, std::string const& reason) {
        auto m = test::measurement(cell);
        m.task = "key_value";
        m.reason = reason;
        m.figures = {{"kv", "recall_accuracy", 0.625, 8, {}, {}},
                     {"kv", "flips_to_wrong", 13.0, 1, {}, {}},
                     {"kv", "bits_per_value", 8.0, 1, {}, {}}};
        return m;
    };
    auto const campaign = store.begin_campaign(test::plan({knowing, guessing}), test::build(), "hw", false);
    store.ingest(campaign, {measured(knowing, ""), measured(guessing, "poor_baseline: it guesses")});
    EXPECT_THAT(shown(store), HasSubstr("codec  bits/val  recall  lost\n"
                                        "int8      8.000   0.625    13\n"
                                        "gear      8.000       -     -\n"));
    EXPECT_THAT(shown(store), HasSubstr("poor_baseline: it guesses"));
}

TEST(ShowTest, JudgesTargetsAndCountsPublishedFiguresApart) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const int8 = test::cell("int8"), again = test::cell("int8", 2048), crash = test::cell("gear");
    auto plan = test::plan({int8, again, crash});
    Json const match = {{"codec", "int8"}};
    plan.targets = {{match, "k", "cosine", 0.9999, {}, "paper"},
                    {match, "kv", "bits_per_value", 7.0, 8.0, ""},
                    {{{"codec", "gear"}}, "k", "cosine", 0.5, {}, ""}};
    plan.published = {{match, "kv", "ratio_vs_fp16", 2.0, "", "exact"},
                      {match, "k", "cosine", 0.999988, "", "shape", "equals", 5e-6},
                      {match, "k", "nmse", 5e-5, "", "shape"},
                      {match, "k", "nmse", 1e-4, "", "exact", "at_most"},
                      {match, "k", "nmse", 5e-5, "", "no"},
                      {{{"codec", "gear"}}, "k", "nmse", 5e-5, "", "exact"}};
    auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
    auto other = full_measurement(again);
    other.figures[0].value = 0.99;
    store.ingest(campaign, {full_measurement(int8), other, test::measurement(crash, Status::crash)});
    auto const text = shown(store);
    EXPECT_THAT(text, HasSubstr("\nTargets\n"));
    EXPECT_THAT(text, testing::ContainsRegex("\nint8 +1 of 4 +fail +tiny: kv bits_per_value 8.0014 > 8, tiny: k cosine "
                                             "0.99 < 0.9999"));
    EXPECT_THAT(text, testing::ContainsRegex("\ngear +0 of 1 +unknown +-\n"));
    EXPECT_THAT(text, testing::ContainsRegex("ratio_vs_fp16 +1.99965 +2 +-0.00035 +-0.0175 +exact: reproduced\n"));
    EXPECT_THAT(text, testing::ContainsRegex("cosine +0.99..0.99999 +0.999988 +-0.00999 +-0.999 +shape: in part\n"));
    EXPECT_THAT(text, testing::ContainsRegex("nmse +2.8645e-05 +5e-05 +-2.14e-05 +-42.7 +shape: differing\n"));
    EXPECT_THAT(text, testing::ContainsRegex("nmse +2.8645e-05 +<= 0.0001 +-7.14e-05 +-71.4 +exact: reproduced\n"));
    EXPECT_THAT(text, testing::ContainsRegex("-42.7 +not comparable\n"));
    EXPECT_THAT(text, testing::ContainsRegex("gear +tiny +k +nmse +- +5e-05 +- +- +not measured\n"));
    EXPECT_THAT(text, testing::EndsWith("\nPublished figures: 2 reproduced, 1 in part, 1 differing, 1 not comparable, "
                                        "1 not measured\n"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 120U) << line;
    EXPECT_EQ(test::text(store, "SELECT group_concat(coalesce(verdict, 'null'), ' ') FROM v_targets"),
              "pass fail fail fail null");
}

TEST(ShowTest, ATableHasTheColumnsThatItsCodecsHave) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto cell = test::cell("int8");
    cell.workload = "cycles";
    auto const campaign = store.begin_campaign(test::plan({cell}), test::build(), "hw", false);
    auto m = test::measurement(cell);
    m.figures = {{"k", "first_cycle_nmse", 2.5e-5, 10, {}, {}}, {"k", "cycle_drift", 0.0, 10, {}, {}}};
    store.ingest(campaign, {m});
    EXPECT_THAT(shown(store), HasSubstr("\ncycles  tiny  512 tokens  openmp\n"
                                        "codec  K nmse 1  K drift\n"
                                        "int8   2.50e-05        0\n"));
}

TEST(ShowTest, ALostAttemptThatWasMadeAgainIsNoFailure) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const cell = test::cell("int8");
    auto const campaign = store.begin_campaign(test::plan({cell}), test::build(), "hw", false);
    auto done = full_measurement(cell);
    done.finished_utc = "2026-01-04T00:00:00.000Z";
    store.ingest(campaign, {test::measurement(cell, Status::node_lost), done});
    EXPECT_THAT(shown(store), Not(HasSubstr("\nNot ok\n")));
    EXPECT_THAT(shown(store), testing::ContainsRegex(
                                  "\nAttempts that were lost with their worker, and made again\n.*\ntiny +512 +int8 +0 "
                                  "+node1 +1 +2026-01-02T03:04:06.250Z\n"));
}

TEST(ShowTest, ReadsAFileThatAnOlderBuildWrote) {
    test::Folder folder;
    {
        auto store = Store::open(folder.file());
        store.begin_campaign(test::plan({test::cell("raw")}), test::build(), "hw", false);
        execute(store.connection(),
                fmt::format("DROP VIEW v_targets; DROP VIEW v_published_figure; DROP VIEW v_failures; CREATE VIEW "
                            "v_failures AS SELECT 1 AS one; PRAGMA user_version = {}",
                            schema_version() - 1));
    }
    EXPECT_THAT(shown(Store::open_read_only(folder.file())), HasSubstr("1 missing"));
}

TEST(ShowTest, NamesTheEditThatWasBuilt) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const raw = test::cell("raw");
    auto const night = [&](std::string const& git_sha, std::string const& source_hash, bool fresh = false) {
        store.ingest(store.begin_campaign(test::plan({raw}), test::build(git_sha, source_hash), "hw", fresh),
                     {test::measurement(raw)});
        // Campaigns that begin within one millisecond have no order.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
    std::string const commit(40, 'a');
    night(commit + "-dirty", "1111111111111111");
    EXPECT_THAT(shown(store), HasSubstr("build aaaaaaaaaaaa-dirty-11111111 Release"));
    night(commit + "-dirty", "2222222222222222");
    night(commit + "-dirty", "2222222222222222", true);
    night("unknown", "3333333333333333");
    night(commit, "4444444444444444");
    EXPECT_THAT(shown(store), HasSubstr("build aaaaaaaaaaaa Release"));
    std::ostringstream out;
    show_history(store, out, "encode_ns", {});
    std::istringstream lines(out.str());
    std::vector<std::string> seen;
    for (std::string line; std::getline(lines, line);)
        if (line.find(" 1000 ") != std::string::npos)
            seen.push_back(line.substr(line.find("aaaa") != std::string::npos ? line.find("aaaa") : line.find("unkn")));
    ASSERT_EQ(seen.size(), 5U) << out.str();
    EXPECT_THAT(seen[0], testing::AllOf(HasSubstr("aaaaaaaaaaaa-dirty-11111111"), Not(HasSubstr("binary"))));
    EXPECT_THAT(seen[1], testing::AllOf(HasSubstr("aaaaaaaaaaaa-dirty-22222222"), Not(HasSubstr("binary"))))
        << "another edit of the same commit";
    EXPECT_THAT(seen[2], testing::AllOf(HasSubstr("aaaaaaaaaaaa-dirty-22222222"), HasSubstr("binary")));
    EXPECT_THAT(seen[3], testing::AllOf(HasSubstr("unknown-33333333"), Not(HasSubstr("binary"))));
    EXPECT_THAT(seen[4], testing::AllOf(HasSubstr("aaaaaaaaaaaa "), Not(HasSubstr("binary"))));
}

TEST(ShowTest, TakesTheCampaignLastRunOrTheOneNamed) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    test::expect_error<ConfigError>([&] { shown(store); }, "no campaign yet");
    auto const first = store.begin_campaign(test::plan({test::cell("raw")}), test::build(), "hw", false);
    auto const second = store.begin_campaign(test::plan({test::cell("raw")}), test::build("other"), "hw", false);
    EXPECT_THAT(shown(store), HasSubstr(second.id));
    EXPECT_THAT(shown(store, {.campaign = first.id.substr(0, 6)}), HasSubstr(first.id));
    test::expect_error<ConfigError>([&] { shown(store, {.campaign = "nosuch"}); }, "no campaign has this id");
    test::expect_error<ConfigError>([&] { shown(store, {.campaign = "nosuch"}); },
                                    "accepted: " + second.id + ", " + first.id);
    auto const night = store.begin_campaign(test::plan({test::cell("raw")}), test::build(), "hw", false, "2026-11-30");
    EXPECT_THAT(shown(store, {.campaign = "2026-11-30"}), HasSubstr(night.id));
    EXPECT_THAT(shown(store, {.campaign = "2026-11-30"}), HasSubstr("night 2026-11-30, begun "));
    store.begin_campaign(test::plan({test::cell("fp16")}, 2), test::build(), "hw", false, "2026-11-30");
    test::expect_error<ConfigError>([&] { shown(store, {.campaign = "2026-11-30"}); },
                                    "more than one campaign is of this night");
    execute(store.connection(), "UPDATE campaign SET resumed_utc = '2000-01-01T00:00:00.000Z'");
    store.begin_campaign(test::plan({test::cell("raw")}), test::build(), "hw", false);
    EXPECT_THAT(shown(store), HasSubstr(first.id));
}

}  // namespace
}  // namespace kvstone
