// Which rows of a database speak for a model at a context.

#include "results/query/candidates.hpp"

#include <gmock/gmock.h>

#include "scenarios/errors.hpp"
#include "tests/results/pareto_fixture.hpp"

namespace kvstone {
namespace {

using test::model_cell;
using test::model_measurement;
using testing::ElementsAre;

struct CandidatesTest : testing::Test {
    test::Folder folder;
    Store store = Store::open(folder.file());

    Campaign add(std::vector<Cell> const& cells, test::ModelFigures const& figures, std::string const& sha = "c0ffee") {
        std::vector<Measurement> measurements;
        for (auto const& cell : cells) {
            measurements.push_back(model_measurement(cell, figures));
            measurements.back().figures.push_back({"kv", "passages", 8.0, 1, {}, {}});
            measurements.back().figures.push_back({"k", "cache_layers", 5.0, 1, {}, {}});
            measurements.back().figures.push_back({"k", "cache_heads", 4.0, 1, {}, {}});
            measurements.back().figures.push_back({"k", "cache_head_dim", 8.0, 1, {}, {}});
            measurements.back().figures.push_back({"v", "cache_head_dim", 16.0, 1, {}, {}});
        }
        auto const campaign = store.begin_campaign(test::plan(cells), test::build(sha), "hw", false);
        store.ingest(campaign, measurements);
        return campaign;
    }
    std::vector<std::string> chosen(std::string const& protocol, std::uint64_t context) {
        std::vector<std::string> found;
        for (auto const& one : comparable(candidates(store, "aa11", ""), protocol, context))
            found.push_back(fmt::format("{} {} {}", one.codec, one.protocol, one.context));
        return found;
    }
};

TEST_F(CandidatesTest, AreWhatTheRowsSay) {
    add({model_cell("q8_0")}, {.bits = 8.5, .kld = 0.002, .kld_low = 0.001, .kld_high = 0.003});
    auto const all = candidates(store, "", "tiny");
    ASSERT_EQ(all.size(), 1U);
    auto const& one = all[0];
    EXPECT_EQ(one.codec + one.protocol + one.sha256, "q8_0decodeaa11");
    EXPECT_EQ(one.kld.high, 0.003);
    EXPECT_EQ(one.bits_per_value, 8.5);
    EXPECT_EQ(one.scored_tokens, 2044U);
    EXPECT_EQ(one.passages, 8U);
    EXPECT_THAT((std::vector{one.layers, one.heads, one.k_dim, one.v_dim}), ElementsAre(5, 4, 8, 16));
    EXPECT_TRUE(candidates(store, "bb", "").empty());
    EXPECT_TRUE(candidates(store, "", "other").empty());
    EXPECT_THAT(measured_models(store), ElementsAre("tiny"));
}

TEST_F(CandidatesTest, TheNewestRowOfACellCounts) {
    add({model_cell("q8_0")}, {.kld = 0.5}, "old");
    execute(store.connection(), "UPDATE campaign SET resumed_utc = '2020'");
    add({model_cell("q8_0")}, {.kld = 0.25, .read = 0.25}, "new");
    auto const all = candidates(store, "aa11", "");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].kld.value, 0.25);
    EXPECT_EQ(all[0].left_out, "not_engaged");
    // A newer campaign that has not come to the cell says nothing of it.
    execute(store.connection(), "UPDATE campaign SET resumed_utc = '2021' WHERE resumed_utc > '2021'");
    store.begin_campaign(test::plan({model_cell("q8_0")}), test::build("newer"), "hw", false);
    EXPECT_EQ(candidates(store, "aa11", "")[0].kld.value, 0.25);
}

TEST_F(CandidatesTest, OfOneNameThereIsOneModel) {
    auto other = model_cell("q4_0");
    other.source["sha256"] = "other";
    add({model_cell("q8_0"), other}, {});
    test::expect_error<ConfigError>([&] { candidates(store, "", "tiny"); },
                                    "several models of the database have this name");
    EXPECT_EQ(candidates(store, "aa11", "").size(), 1U);
}

TEST_F(CandidatesTest, OneProtocolAndTheNearestContextAreCompared) {
    add({model_cell("a", 512, "context"), model_cell("a", 512), model_cell("b", 512), model_cell("a", 2048),
         model_cell("a", 8192)},
        {});
    EXPECT_THAT(chosen("", 512), ElementsAre("a decode 512", "b decode 512"));
    EXPECT_THAT(chosen("context", 512), ElementsAre("a context 512"));
    EXPECT_THAT(chosen("", 4096), ElementsAre("a decode 2048"))
        << "the longest that is shorter, not the nearest that is longer";
    EXPECT_THAT(chosen("", 100), ElementsAre("a decode 512", "b decode 512")) << "none is shorter";
    EXPECT_THAT(chosen("inline", 512), ElementsAre());
}

TEST_F(CandidatesTest, SettingsAreNotMixed) {
    auto short_text = model_cell("a");
    short_text.options["passages"] = 2;
    short_text.id = "short00000000000";
    auto other_text = model_cell("b");
    other_text.source["text_sha256"] = "other";
    other_text.id = "text000000000000";
    auto third = model_cell("c");
    add({short_text, other_text, model_cell("a"), third}, {});
    EXPECT_THAT(chosen("", 1024), ElementsAre("a decode 1024", "c decode 1024")) << "the setting with the most codecs";
}

TEST_F(CandidatesTest, AProtocolWithNothingToChooseFromIsPassedOver) {
    add({model_cell("a", 1024, "decode")}, {.read = 0});
    add({model_cell("a", 1024, "context")}, {}, "other build");
    EXPECT_THAT(chosen("", 1024), ElementsAre("a context 1024"));
}

}  // namespace
}  // namespace kvstone
