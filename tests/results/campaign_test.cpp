// The attempts that a campaign owes, first and after some came in.

#include <set>

#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::build;
using test::cell;
using test::measurement;
using test::number;
using test::plan;
using Pending = std::vector<PendingAttempt>;

struct CampaignTest : testing::Test {
    test::Folder folder;
    Cell raw = cell("raw"), fp16 = cell("fp16"), int8 = cell("int8");
    Store store = Store::open(folder.file());
};

TEST_F(CampaignTest, EveryCellIsOwedInPlanOrder) {
    auto const campaign = store.begin_campaign(plan({int8, raw, fp16}), build(), "hw", false);
    EXPECT_EQ(store.pending(campaign), (Pending{{int8.id, 0, 0}, {raw.id, 0, 0}, {fp16.id, 0, 0}}));
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_missing WHERE status IS NULL"), 3);
}

TEST_F(CampaignTest, TwoEditsOfACommitAreTwoCampaignsAndTheSameEditGoesOn) {
    for (std::string const commit : {"0123456789abcdef0123456789abcdef01234567-dirty", "unknown"}) {
        auto const first = store.begin_campaign(plan({raw}), build(commit, "aaaaaaaaaaaaaaaa"), "hw", false);
        store.ingest(first, {measurement(raw)});
        auto const second = store.begin_campaign(plan({raw}), build(commit, "bbbbbbbbbbbbbbbb"), "hw", false);
        EXPECT_NE(first.id, second.id) << commit;
        EXPECT_EQ(store.pending(second).size(), 1U) << "the figures of another edit are not this build's";
        auto const again = store.begin_campaign(plan({raw}), build(commit, "aaaaaaaaaaaaaaaa"), "hw", false);
        EXPECT_EQ(again.id, first.id) << commit;
        EXPECT_TRUE(store.pending(again).empty());
    }
    EXPECT_EQ(number(store, "SELECT count(*) FROM build"), 4);
}

TEST_F(CampaignTest, EverythingThatMakesAnotherBinaryMakesAnotherCampaign) {
    auto const uid = [&](Build const& of) { return store.begin_campaign(plan({raw}), of, "hw", false).id; };
    std::set<std::string> seen{uid(build())};
    auto const is_new = [&](auto const& change) {
        auto changed = build();
        change(changed);
        return seen.insert(uid(changed)).second;
    };
    EXPECT_FALSE(is_new([](Build&) {}));
    EXPECT_TRUE(is_new([](Build& b) { b.git_sha = "f00d"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.source_hash = "f00d"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.build_type = "Debug"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.flags = "-O2"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.processor = "avx2"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.toolchain = "f00d"; }));
    EXPECT_TRUE(is_new([](Build& b) { b.has_mpi = false; }));
    EXPECT_TRUE(is_new([](Build& b) { b.has_llama = false; }));
    EXPECT_EQ(number(store, "SELECT count(*) FROM build"), static_cast<std::int64_t>(seen.size()));
}

TEST_F(CampaignTest, EveryProcessIsOwed) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}, 2), build(), "hw", false);
    EXPECT_EQ(store.pending(campaign), (Pending{{raw.id, 0, 0}, {raw.id, 1, 0}, {fp16.id, 0, 0}, {fp16.id, 1, 0}}));
    store.ingest(campaign, {measurement(raw, Status::ok, 0.5, 1)});
    EXPECT_EQ(store.pending(campaign), (Pending{{raw.id, 0, 0}, {fp16.id, 0, 0}, {fp16.id, 1, 0}}));
}

TEST_F(CampaignTest, OnlyOkAndVerifyFailedStand) {
    for (auto const status : {Status::ok, Status::verify_failed, Status::error, Status::crash, Status::timeout,
                              Status::oom, Status::node_lost, Status::skipped}) {
        auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", true);
        store.ingest(campaign, {measurement(raw, status)});
        EXPECT_EQ(store.pending(campaign).empty(), stands(status)) << name_of(status);
    }
}

TEST_F(CampaignTest, AStandingAttemptIsNotUndoneByALaterCrash) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto late = measurement(raw, Status::crash);
    late.finished_utc = "2026-01-03T00:00:00.000Z";
    store.ingest(campaign, {measurement(raw), late});
    EXPECT_TRUE(store.pending(campaign).empty());
}

TEST_F(CampaignTest, TheSameBeginningGoesOn) {
    auto const first = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    store.ingest(first, {measurement(raw), measurement(fp16)});
    auto const again = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    EXPECT_EQ(again.id, first.id);
    EXPECT_TRUE(store.pending(again).empty());
    EXPECT_EQ(number(store, "SELECT count(*) FROM campaign"), 1);
}

TEST_F(CampaignTest, AnotherBuildToolchainOrHardwareOpensAnother) {
    auto const first = store.begin_campaign(plan({raw}), build(), "hw", false);
    store.ingest(first, {measurement(raw)});
    auto other_type = build();
    other_type.build_type = "Debug";
    auto other_flags = build();
    other_flags.flags = "-O2";
    auto other_toolchain = build();
    other_toolchain.toolchain = "0000000000000000";
    for (auto const& other : {build("ffff"), other_type, other_flags, other_toolchain}) {
        auto const campaign = store.begin_campaign(plan({raw}), other, "hw", false);
        EXPECT_NE(campaign.id, first.id);
        EXPECT_EQ(store.pending(campaign).size(), 1U);
    }
    EXPECT_EQ(store.pending(store.begin_campaign(plan({raw}), build(), "other", false)).size(), 1U);
}

TEST_F(CampaignTest, AFreshOneMeasuresAgainAndIsTheOneThatGoesOn) {
    auto const first = store.begin_campaign(plan({raw}), build(), "hw", false);
    store.ingest(first, {measurement(raw)});
    auto const fresh = store.begin_campaign(plan({raw}), build(), "hw", true);
    EXPECT_NE(fresh.id, first.id);
    EXPECT_EQ(store.pending(fresh).size(), 1U);
    EXPECT_EQ(store.begin_campaign(plan({raw}), build(), "hw", false).id, fresh.id);
}

TEST_F(CampaignTest, EachNightOfABuildIsMeasuredOnce) {
    auto const begin = [&](std::string const& night, bool fresh = false) {
        return store.begin_campaign(plan({raw, fp16}), build(), "hw", fresh, night);
    };
    auto const none = begin("");
    store.ingest(none, {measurement(raw), measurement(fp16)});
    auto const first = begin("2026-11-29");
    EXPECT_NE(first.id, none.id);
    EXPECT_EQ(store.pending(first).size(), 2U);
    store.ingest(first, {measurement(raw)});
    auto const second = begin("2026-11-30");
    EXPECT_NE(second.id, first.id);
    EXPECT_EQ(store.pending(second).size(), 2U) << "the figures of another night are not this one's";
    // The same name goes on, whatever began in between.
    EXPECT_EQ(begin("2026-11-29").id, first.id);
    EXPECT_EQ(store.pending(begin("2026-11-29")), (Pending{{fp16.id, 0, 0}}));
    EXPECT_EQ(begin("").id, none.id);
    EXPECT_EQ(test::text(store, "SELECT group_concat(coalesce(night, '-'), ' ') FROM v_campaign"),
              "- 2026-11-29 2026-11-30");
    auto const again = begin("2026-11-30", true);
    EXPECT_NE(again.id, second.id);
    EXPECT_EQ(begin("2026-11-30").id, again.id);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_campaign WHERE night = '2026-11-30'"), 2);
    // A night has the same id at every site, so that what two databases have of it comes together.
    EXPECT_EQ(
        Store::open(folder.file("other.db")).begin_campaign(plan({raw, fp16}), build(), "hw", false, "2026-11-29").id,
        first.id);
}

TEST_F(CampaignTest, DeletingOneAttemptOwesExactlyOne) {
    auto const campaign = store.begin_campaign(plan({raw, fp16, int8}), build(), "hw", false);
    store.ingest(campaign, {measurement(raw), measurement(fp16), measurement(int8)});
    // As another program would, which does not look after foreign keys.
    execute(store.connection(), "PRAGMA foreign_keys = OFF");
    execute(store.connection(), "DELETE FROM attempt WHERE cell = (SELECT id FROM cell WHERE codec = 'fp16')");
    EXPECT_EQ(store.pending(campaign), (Pending{{fp16.id, 0, 0}}));
    EXPECT_EQ(number(store, "SELECT count(*) FROM figure"), 6);
    EXPECT_EQ(number(store, "SELECT count(*) FROM sample"), 6);
    EXPECT_EQ(number(store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

TEST_F(CampaignTest, TheSameAttemptTwiceChangesNothing) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto const m = measurement(raw);
    store.ingest(campaign, {m});
    auto altered = m;
    altered.status = Status::crash;
    altered.figures[0].value = -1;
    store.ingest(campaign, {m, altered, m});
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), 1);
    EXPECT_EQ(number(store, "SELECT count(*) FROM figure"), 3);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest WHERE metric = 'cosine' AND value = 0.75"), 1);
}

TEST_F(CampaignTest, ABatchIsWholeOrAbsent) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    auto wrong = measurement(fp16);
    wrong.figures.push_back({"k", "no_such_metric", 1.0, 1, {}, {}});
    EXPECT_THROW(store.ingest(campaign, {measurement(raw), wrong}), std::logic_error);
    test::expect_error<CorruptData>([&] { store.ingest(campaign, {measurement(raw), measurement(int8)}); },
                                    "does not expect");
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), 0);
    store.ingest(campaign, {measurement(raw)});  // and the connection is as good as before
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), 1);
}

TEST_F(CampaignTest, NotANumberIsStoredAsNullAndTextAsValidUtf8) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    auto m = measurement(raw);
    m.figures[0].value = std::numeric_limits<double>::quiet_NaN();
    m.figures[1].value = std::numeric_limits<double>::infinity();
    m.samples[0].values[1] = -std::numeric_limits<double>::infinity();
    auto failed = measurement(fp16, Status::crash);
    failed.stderr_tail = "bad \xFF byte";
    store.ingest(campaign, {m, failed});
    EXPECT_EQ(number(store, "SELECT count(*) FROM figure WHERE value IS NULL"), 2);
    EXPECT_EQ(number(store, "SELECT count(*) FROM sample WHERE value IS NULL AND position = 1"), 1);
    EXPECT_EQ(test::text(store, "SELECT stderr_tail FROM v_failures"), "bad \xEF\xBF\xBD byte");
}

TEST_F(CampaignTest, PublishedFiguresStandBesideOurs) {
    auto p = plan({raw, fp16, cell("fp16", 2048)});
    p.published = {{{{"codec", "fp16"}, {"context", 512}}, "k", "cosine", 0.5, "their GPU", "shape"},
                   {{{"source", {{"kind", "dump"}}}}, "k", "cosine", 0.25, "", "no"}};
    auto const campaign = store.begin_campaign(p, build(), "hw", false);
    store.ingest(campaign, {measurement(fp16, Status::ok, 0.75)});
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_published"), 2);
    EXPECT_EQ(test::text(store, "SELECT printf('%s %g %g %g', cell, ours, theirs, difference) FROM v_published"),
              fp16.id + " 0.75 0.5 0.25");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_published WHERE theirs = 0.25 AND cell IS NULL AND ours IS NULL"),
              1);
    // The scenario is the home of published figures: figures that it no longer has are forgotten.
    p.published.pop_back();
    store.begin_campaign(p, build(), "hw", false);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_published"), 1);
    p.published[0].metric = "cosinus";
    test::expect_error<ConfigError>([&] { store.begin_campaign(p, build(), "hw", false); }, "did you mean 'cosine'?");
}

TEST_F(CampaignTest, WhatLostItsWorkerTwiceIsQuarantined) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    store.ingest(campaign, {measurement(raw, Status::node_lost), measurement(raw, Status::crash)});
    EXPECT_EQ(store.pending(campaign), (Pending{{raw.id, 0, 1}, {fp16.id, 0, 0}}));
    EXPECT_TRUE(store.quarantined(campaign).empty());
    store.ingest(campaign, {measurement(raw, Status::node_lost)});
    EXPECT_EQ(store.pending(campaign), (Pending{{fp16.id, 0, 0}}));
    EXPECT_EQ(store.quarantined(campaign), (Pending{{raw.id, 0, 2}}));
    // It stays in every list of missing cells, and a new campaign tries it anew.
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_missing WHERE status = 'node_lost'"), 1);
    EXPECT_EQ(store.pending(store.begin_campaign(plan({raw, fp16}), build(), "hw", true)).size(), 2U);
    // Nor does a loss count against later measurements.
    store.ingest(campaign, {measurement(raw)});
    EXPECT_TRUE(store.quarantined(campaign).empty());
}

TEST_F(CampaignTest, RecoveredAttemptsAreStoredOnceAndOnlyWhereNoneStands) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}), build(), "hw", false);
    store.ingest(campaign, {measurement(raw)});
    std::vector<Measurement> const found{measurement(raw), measurement(fp16, Status::crash), measurement(fp16),
                                         measurement(int8)};
    EXPECT_EQ(store.recover(campaign.id, found), 2U);  // a standing raw, an unexpected int8: left out
    auto const attempts = number(store, "SELECT count(*) FROM attempt");
    EXPECT_EQ(attempts, 3);
    EXPECT_TRUE(store.pending(campaign).empty());
    EXPECT_EQ(store.recover(campaign.id, found), 0U);
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), attempts);
    EXPECT_EQ(store.recover("0000000000000000", found), std::nullopt);
}

TEST_F(CampaignTest, AResultOfAWorkerThatWasTakenForLostIsStoredInPlaceOfTheLoss) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto const lost = measurement(raw, Status::node_lost);
    store.ingest(campaign, {lost});
    auto result = measurement(raw);
    result.attempt_id = lost.attempt_id;
    EXPECT_EQ(store.recover(campaign.id, {result}), 1U);
    EXPECT_EQ(test::text(store, "SELECT group_concat(status) FROM attempt"), "ok");
    EXPECT_EQ(store.recover(campaign.id, {lost}), 0U) << "a loss that is told later takes nothing away";
    EXPECT_EQ(test::text(store, "SELECT group_concat(status) FROM attempt"), "ok");
}

}  // namespace
}  // namespace kvstone
