// Contents of the views, worked by hand.

#include <cmath>

#include "results/statistics/median.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::build;
using test::cell;
using test::measurement;
using test::number;
using test::plan;

struct ViewsTest : testing::Test {
    test::Folder folder;
    Cell raw = cell("raw"), fp16 = cell("fp16", 0);
    Store store = Store::open(folder.file());
};

TEST_F(ViewsTest, OneRowPerMetricWithEverythingAroundIt) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    store.ingest(campaign, {measurement(raw)});
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 3);
    EXPECT_EQ(
        test::text(store,
                   "SELECT campaign || '|' || cell || '|' || workload || '|' || source || '|' || model || '|' || "
                   "context || '|' || batch || '|' || codec || '|' || codec_name || '|' || backend || '|' || "
                   "device || '|' || threads || '|' || component || '|' || metric || '|' || unit || '|' || "
                   "better || '|' || value || '|' || n || '|' || ci_low || '|' || ci_high || '|' || status || "
                   "'|' || git_sha || '|' || toolchain || '|' || host || '|' || finished_utc || '|' || "
                   "source_kind || '|' || scenario || '|' || hardware_class FROM v_latest WHERE metric = 'encode_ns'"),
        campaign.id + "|" + raw.id +
            "|roundtrip|tiny|tiny|512|1|raw|raw|openmp|AMD EPYC|2|kv|encode_ns|ns|lower|1000.0|3|900.0|1100.0|ok|"
            "0123456789abcdef0123456789abcdef01234567|feedfacefeedface|node1|2026-01-02T03:04:06.250Z|model|"
            "quickstart|hw");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest WHERE protocol IS NULL AND task IS NULL AND reason IS NULL"),
              3);
}

TEST_F(ViewsTest, WhatDoesNotApplyIsNull) {
    fp16.source = {{"kind", "synthetic"}};
    auto const campaign = store.begin_campaign(plan({fp16}), build(), "hw", false);
    auto skipped = measurement(fp16, Status::skipped);
    skipped.host = nullptr;
    skipped.threads = 0;
    skipped.device.clear();
    store.ingest(campaign, {skipped});
    EXPECT_EQ(number(store,
                     "SELECT count(*) FROM v_latest WHERE model IS NULL AND context IS NULL AND device IS NULL AND "
                     "threads IS NULL AND host IS NULL AND component IS NULL AND metric IS NULL AND unit IS NULL AND "
                     "better IS NULL AND value IS NULL AND n IS NULL AND status = 'skipped' AND reason = 'because'"),
              1);
}

TEST_F(ViewsTest, AFailureIsOneRowAndASuccessAfterItReplacesIt) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    store.ingest(campaign, {measurement(raw, Status::timeout)});
    EXPECT_EQ(test::text(store, "SELECT group_concat(status || ' ' || reason) FROM v_latest"), "timeout because");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_failures"), 1);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_missing WHERE status = 'timeout'"), 1);
    store.ingest(campaign, {measurement(raw)});
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest WHERE status = 'ok'"), 3);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest WHERE status <> 'ok'"), 0);
    EXPECT_EQ(number(store, "SELECT (SELECT count(*) FROM v_failures) + (SELECT count(*) FROM v_missing)"), 0);
}

TEST_F(ViewsTest, ANewerStandingAttemptReplacesAnOlderOneWhicheverCameFirst) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto newer = measurement(raw, Status::ok, 0.25);
    newer.finished_utc = "2026-01-02T03:04:06.251Z";
    store.ingest(campaign, {newer, measurement(raw, Status::ok, 0.125)});
    EXPECT_EQ(test::text(store, "SELECT group_concat(value) FROM v_latest WHERE component = 'k'"), "0.25");
}

TEST_F(ViewsTest, SkippedCellsAreFailuresOnlyWhereRequired) {
    auto p = plan({raw, fp16});
    p.require = {fp16.id};
    auto const campaign = store.begin_campaign(p, build(), "hw", false);
    store.ingest(campaign, {measurement(raw, Status::skipped), measurement(fp16, Status::skipped)});
    EXPECT_EQ(test::text(store, "SELECT group_concat(codec) FROM v_failures"), "fp16");
    EXPECT_EQ(test::text(store, "SELECT group_concat(cells || ok || failed || skipped || missing) FROM v_campaign"),
              "20020");
}

TEST_F(ViewsTest, SeveralProcessesGiveTheirMedian) {
    auto const campaign = store.begin_campaign(plan({raw}, 3), build(), "hw", false);
    // encode_ns is 1000 x (process + 1); cosine is deterministic and equal.
    store.ingest(campaign, {measurement(raw, Status::ok, 0.75, 0), measurement(raw, Status::ok, 0.75, 2)});
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 0) << "not complete yet";
    EXPECT_EQ(number(store, "SELECT missing FROM v_campaign"), 1);
    store.ingest(campaign, {measurement(raw, Status::ok, 0.75, 1)});
    EXPECT_EQ(
        test::text(store,
                   "SELECT group_concat(component || ' ' || metric || ' ' || value || ' ' || n || coalesce(' ' || "
                   "ci_low, '')) FROM (SELECT * "
                   "FROM v_latest ORDER BY component)"),
        "k cosine 0.75 1,kv encode_ns 2000.0 3,v cosine 0.5 1");
    // A fourth attempt, newer and slower, takes the place of process 0.
    auto slower = measurement(raw, Status::ok, 0.75, 0);
    slower.figures[2].value = 9000;
    slower.finished_utc = "2026-01-05T00:00:00.000Z";
    store.ingest(campaign, {slower});
    EXPECT_EQ(number(store, "SELECT value FROM v_latest WHERE metric = 'encode_ns'"), 3000);
}

TEST_F(ViewsTest, ProcessesThatAgreeKeepTheIntervalOfOne) {
    auto const campaign = store.begin_campaign(plan({raw}, 3), build(), "hw", false);
    std::vector<Measurement> all;
    for (int process = 0; process < 3; ++process) {
        all.push_back(measurement(raw, Status::ok, 0.75, process));
        all.back().figures.push_back({"kv", "kld_mean", 0.01, 2044, 0.005, 0.02});
        all.back().figures.push_back({"kv", "ppl", 3.0 + process, 2044, 2.0, 9.0});
    }
    store.ingest(campaign, all);
    EXPECT_EQ(
        test::text(
            store,
            "SELECT value || ' ' || n || ' ' || ci_low || ' ' || ci_high FROM v_latest WHERE metric = 'kld_mean'"),
        "0.01 2044 0.005 0.02");
    EXPECT_EQ(
        test::text(
            store,
            "SELECT value || ' ' || n || coalesce(ci_low, '') || coalesce(ci_high, '') FROM v_latest WHERE metric "
            "= 'ppl'"),
        "4.0 3");
}

TEST_F(ViewsTest, OneFailedProcessFailsTheCell) {
    auto const campaign = store.begin_campaign(plan({raw}, 2), build(), "hw", false);
    store.ingest(campaign, {measurement(raw, Status::ok, 0.75, 0), measurement(raw, Status::crash, 0, 1)});
    EXPECT_EQ(test::text(store, "SELECT group_concat(status) FROM v_latest"), "crash");
    store.ingest(campaign, {measurement(raw, Status::ok, 0.75, 1)});
    EXPECT_EQ(test::text(store, "SELECT group_concat(DISTINCT status) FROM v_latest"), "ok");
    execute(store.connection(), "DELETE FROM attempt WHERE process = 0");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 0);
    EXPECT_EQ(number(store, "SELECT count(*) FROM combined"), 0);
}

TEST_F(ViewsTest, ProfilesAreOfTheAttemptThatCounts) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto newer = measurement(raw);
    newer.finished_utc = "2026-01-05T00:00:00.000Z";
    newer.profiles = {{"k", "mae", 3, -1, 17, 0.5}};
    store.ingest(campaign, {measurement(raw), newer});
    EXPECT_EQ(
        test::text(store,
                   "SELECT group_concat(cell || ' ' || component || ' ' || metric || ' ' || layer || ' ' || "
                   "coalesce(head, 'null') || ' ' || position || ' ' || value || ' ' || campaign) FROM v_profile"),
        raw.id + " k mae 3 null 17 0.5 " + campaign.id);
    EXPECT_EQ(test::text(store,
                         "SELECT codec || ' ' || codec_name || ' ' || source || ' ' || context || ' ' || workload FROM "
                         "v_profile"),
              "raw raw tiny 512 roundtrip");
}

TEST_F(ViewsTest, AFigureLeadsToItsAttempt) {
    auto const campaign = store.begin_campaign(plan({raw}, 2), build(), "hw", false);
    auto first = measurement(raw, Status::ok, 0.75, 0), second = measurement(raw, Status::ok, 0.75, 1);
    second.finished_utc = "2026-01-05T00:00:00.000Z";
    second.host["slurm_job"] = "77";
    store.ingest(campaign, {first, second});
    EXPECT_EQ(
        test::text(store,
                   "SELECT group_concat(DISTINCT l.metric || ' of ' || a.slurm_job) FROM v_latest l JOIN attempt a "
                   "ON a.uid = l.attempt WHERE l.metric = 'encode_ns'"),
        "encode_ns of 77")
        << "of several processes the newest";
    auto failed = measurement(raw, Status::crash, 0, 0);
    failed.finished_utc = "2026-01-06T00:00:00.000Z";
    store.ingest(store.begin_campaign(plan({raw}, 2), build("other"), "hw", false), {second, failed});
    EXPECT_EQ(test::text(store, "SELECT group_concat(attempt) FROM v_latest WHERE status = 'crash'"),
              failed.attempt_id);
}

TEST_F(ViewsTest, ALostAttemptStaysAmongTheFailuresOnceItWasMadeAgain) {
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto lost = measurement(raw, Status::node_lost), crashed = measurement(raw, Status::crash);
    crashed.finished_utc = "2026-01-03T00:00:00.000Z";
    auto const failures = [&] {
        return test::text(store,
                          "SELECT coalesce(group_concat(status || repeated, ' '), '') FROM (SELECT * FROM v_failures "
                          "ORDER BY finished_utc)");
    };
    store.ingest(campaign, {lost});
    EXPECT_EQ(failures(), "node_lost0");
    store.ingest(campaign, {crashed});
    EXPECT_EQ(failures(), "node_lost1 crash0");
    auto done = measurement(raw);
    done.finished_utc = "2026-01-04T00:00:00.000Z";
    store.ingest(campaign, {done});
    EXPECT_EQ(failures(), "node_lost1") << "a failure that a success replaces is gone, a lost worker is not";
    EXPECT_EQ(test::text(store, "SELECT host || attempt FROM v_failures"), "node1" + lost.attempt_id);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_missing"), 0);
}

TEST_F(ViewsTest, TheEnvironmentOfSeveralHostsIsInOrder) {
    auto const campaign = store.begin_campaign(plan({raw}, 3), build(), "hw", false);
    std::vector<Measurement> all;
    for (auto const* kernel : {"6.9", "6.1", "6.5"}) {
        all.push_back(measurement(raw, Status::ok, 0.75, static_cast<int>(all.size())));
        all.back().host["kernel"] = kernel;
    }
    store.ingest(campaign, all);
    EXPECT_EQ(test::text(store,
                         "SELECT group_concat(value, ' / ') FROM v_environment WHERE kind = 'host' AND name = "
                         "'kernel'"),
              "6.1,6.5,6.9");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_environment WHERE kind = 'host' AND name = 'name'"), 1);
    EXPECT_EQ(number(store, "SELECT count(*) - count(DISTINCT campaign || kind || name) FROM v_environment"), 0);
}

/// Chance that an interval of order statistics misses the median: 2 P(Binomial(n, 1/2) < rank), term by term.
double miss_probability(int n, int rank) {
    double sum = 0;
    for (int i = 0; i < rank; ++i)
        sum += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) - n * std::log(2.0));
    return 2 * sum;
}

TEST(MedianOverProcessesTest, TakesTheWidestRankThatKeepsFivePercent) {
    for (int n = 1; n <= 60; ++n) {
        std::vector<double> values;
        for (int i = 1; i <= n; ++i) values.push_back(i);
        auto const result = median_estimate_of_sorted(values);
        EXPECT_EQ(result.value, (n + 1) / 2.0);
        if (n < 6) {
            EXPECT_FALSE(result.low || result.high) << n;  // even [min, max] misses 6.25% at n = 5
            continue;
        }
        int const rank = static_cast<int>(*result.low);
        EXPECT_EQ(*result.high, n + 1 - rank);
        EXPECT_LE(miss_probability(n, rank), 0.05) << n;
        EXPECT_GT(miss_probability(n, rank + 1), 0.05) << n;
    }
}

}  // namespace
}  // namespace kvstone
