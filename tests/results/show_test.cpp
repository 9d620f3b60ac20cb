// The summary after a run.

#include "results/show.hpp"

#include <sstream>

#include <gmock/gmock.h>

#include "results/text.hpp"
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
    EXPECT_THAT(text, HasSubstr("a display name that is longer than its column\n"));
    EXPECT_THAT(text, HasSubstr("\nNot ok\n"));
    EXPECT_THAT(text, HasSubstr("crash   because"));
    EXPECT_THAT(text, HasSubstr("\nBeside published figures\n"));
    EXPECT_THAT(text, HasSubstr("-0.00035"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 120U) << line;
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(shown(store, {.colour = true}), HasSubstr("\x1b[31mcrash\x1b[0m"));
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
    execute(store.connection(), "UPDATE campaign SET resumed_utc = '2000-01-01T00:00:00.000Z'");
    store.begin_campaign(test::plan({test::cell("raw")}), test::build(), "hw", false);
    EXPECT_THAT(shown(store), HasSubstr(first.id));
}

}  // namespace
}  // namespace kvstone
