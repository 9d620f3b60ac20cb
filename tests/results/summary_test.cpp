// The summaries that stand behind the views: outcomes of cells, and samples five to a row.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "results/store/maintenance.hpp"
#include "results/store/sample_schema.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone::test {
namespace {

struct SummaryTest : testing::Test {
    Folder folder;
    Store store = Store::open(folder.file());

    std::string outcomes() const {
        return text(
            store,
            "SELECT coalesce(group_concat(codec || ' ' || position || ' ' || processes || ' ' || o.status || ' ' "
            "|| a.process, ', '), '') FROM outcome o JOIN attempt a ON a.id = o.attempt JOIN cell ON cell.id = "
            "o.cell");
    }
    Measurement attempt(Cell const& c, Status status, int process, std::string const& second) const {
        auto m = measurement(c, status, 0.75, process);
        m.finished_utc = "2026-01-02T03:04:" + second + ".000Z";
        return m;
    }
};

TEST_F(SummaryTest, AnOutcomeFollowsEveryAttempt) {
    auto const raw = cell("raw"), fp16 = cell("fp16");
    auto const campaign = store.begin_campaign(plan({raw, fp16}, 2), build(), "hw", false);
    EXPECT_EQ(outcomes(), "");
    store.ingest(campaign, {attempt(fp16, Status::ok, 0, "06")});
    EXPECT_EQ(outcomes(), "") << "a process is missing";
    store.ingest(campaign, {attempt(fp16, Status::ok, 1, "05")});
    EXPECT_EQ(outcomes(), "fp16 1 2 ok 0") << "the newest of the two";
    store.ingest(campaign, {attempt(raw, Status::timeout, 1, "07")});
    EXPECT_EQ(outcomes(), "raw 0 2 timeout 1, fp16 1 2 ok 0") << "a failure counts by itself";
    store.ingest(campaign, {attempt(raw, Status::ok, 1, "01")});
    EXPECT_EQ(outcomes(), "fp16 1 2 ok 0") << "the failure was made good, and the other process is missing again";
    EXPECT_EQ(stale_summaries(store), 0);
}

TEST_F(SummaryTest, AnOutcomeFollowsChangesByHand) {
    auto const raw = cell("raw");
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    store.ingest(campaign, {attempt(raw, Status::ok, 0, "06"), attempt(raw, Status::ok, 0, "08")});
    auto const newest = text(store, "SELECT attempt FROM outcome");
    execute(store.connection(), "UPDATE attempt SET finished_utc = '2027' WHERE id <> " + newest);
    EXPECT_NE(text(store, "SELECT attempt FROM outcome"), newest);
    execute(store.connection(), "UPDATE attempt SET status = 'crash' WHERE id <> " + newest);
    EXPECT_EQ(text(store, "SELECT attempt || status FROM outcome"), newest + "ok") << "it stands";
    execute(store.connection(), "DELETE FROM attempt WHERE id = " + newest);
    EXPECT_EQ(text(store, "SELECT status FROM outcome"), "crash");
    EXPECT_EQ(stale_summaries(store), 0);
    execute(store.connection(), "DELETE FROM attempt");
    EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), 0);
    EXPECT_TRUE(check(store).empty());
}

TEST_F(SummaryTest, ALostAttemptThatComesBackIsRecovered) {
    auto const raw = cell("raw");
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto lost = attempt(raw, Status::node_lost, 0, "06");
    store.ingest(campaign, {lost});
    EXPECT_EQ(outcomes(), "raw 0 1 node_lost 0");
    auto back = attempt(raw, Status::ok, 0, "05");
    back.attempt_id = lost.attempt_id;
    EXPECT_EQ(store.recover(campaign.id, {back}), 1U);
    EXPECT_EQ(outcomes(), "raw 0 1 ok 0");
    EXPECT_EQ(stale_summaries(store), 0);
}

TEST_F(SummaryTest, ABatchThatFailsLeavesNoOutcome) {
    auto const raw = cell("raw");
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    auto wrong = measurement(raw);
    wrong.figures.push_back({"k", "no_such_metric", 1.0, 1, {}, {}});
    EXPECT_THROW(store.ingest(campaign, {measurement(raw), wrong}), std::logic_error);
    EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), 0);
}

TEST_F(SummaryTest, MergingAndPruningKeepOutcomes) {
    auto const raw = cell("raw"), fp16 = cell("fp16");
    auto const shared = plan({raw, fp16}, 2);
    auto const campaign = store.begin_campaign(shared, build(), "hw", false);
    store.ingest(campaign, {measurement(raw, Status::ok, 0.75, 0), measurement(fp16, Status::ok, 0.75, 1)});
    {
        auto other = Store::open(folder.file("other.db"));
        auto const first = other.begin_campaign(plan({cell("zstd")}), build("f00d"), "hw", false);
        other.ingest(first, {measurement(cell("zstd"))});
        auto const same = other.begin_campaign(shared, build(), "hw", false);
        other.ingest(same, {measurement(raw, Status::ok, 0.75, 1), measurement(fp16, Status::crash, 0.75, 0)});
        EXPECT_EQ(stale_summaries(other), 0);
    }
    EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), 0);
    merge(store, folder.file("other.db"));
    EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), 3);
    EXPECT_EQ(stale_summaries(store), 0);
    EXPECT_EQ(number(store, "SELECT count(*) FROM sample"), 3 * 4);
    ASSERT_EQ(prune(store, {.campaigns = {campaign.id}, .before_utc = {}}).size(), 1U);
    EXPECT_EQ(outcomes(), "zstd 0 1 ok 0");
    EXPECT_EQ(stale_summaries(store), 0);
    EXPECT_EQ(number(store, "SELECT count(*) FROM sample"), 3);
}

/// Together, apart, both, neither; with and without intervals; not finite: ingest stores the rows that the statement finds.
TEST_F(SummaryTest, ComparedFiguresAreThoseOfTheStatement) {
    auto const raw = cell("raw");
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    std::vector<std::string> const metrics{"nmse",
                                           "bits_per_value",
                                           "compressed_read_fraction",
                                           "kld_mean",
                                           "attention_kl",
                                           "decode_tokens_per_s",
                                           "decode_gb_per_s",
                                           "prefill_tokens_per_s",
                                           "weights_bytes",
                                           "compute_bytes",
                                           "stored_bytes",
                                           "passages"};
    std::vector<std::optional<double>> const values{{}, 2.0, 7.0, std::numeric_limits<double>::infinity()};
    for (auto const& k : values)
        for (auto const& v : values)
            for (auto const& both : values) {
                auto m = measurement(raw);
                m.figures = {{"k", "cosine", 0.5, 1, {}, {}}};
                for (auto const& metric : metrics) {
                    m.figures.push_back({"k", metric, k, 1, k, {}});
                    m.figures.push_back({"v", metric, v, 1, {}, v});
                    if (both != 7.0) m.figures.push_back({"kv", metric, both, 1, both, k});
                }
                store.ingest(campaign, {m});
            }
    EXPECT_EQ(number(store, "SELECT count(*) FROM compared_figures"), 4 * 4 * 4);
    EXPECT_GT(number(store, "SELECT count(DISTINCT coalesce(kld, '-')) FROM compared_figures"), 2);
    EXPECT_EQ(stale_summaries(store), 0);
}

/// Lengths around whole blocks: every sample comes back with every bit, in its place.
TEST_F(SummaryTest, SamplesComeBackAsTheyWere) {
    auto const raw = cell("raw");
    auto const campaign = store.begin_campaign(plan({raw}), build(), "hw", false);
    for (int length = 0; length <= 3 * samples_a_row + 1; ++length) {
        auto m = measurement(raw);
        m.samples = {{"k", "encode_ns", {}}, {"v", "encode_ns", {}}};
        for (int i = 0; i < length; ++i) {
            m.samples[0].values.push_back(1.0 / (i + 3));
            m.samples[1].values.push_back(i % 5 == 4 ? std::numeric_limits<double>::infinity() : i);
        }
        store.ingest(campaign, {m});
        Statement read(store.connection(),
                       "SELECT s.component, s.position, s.value FROM sample s JOIN attempt a ON a.id = s.attempt WHERE "
                       "a.uid = ? ORDER BY s.component, s.position");
        read.with(m.attempt_id);
        for (auto const& series : m.samples)
            for (int i = 0; i < length; ++i) {
                ASSERT_TRUE(read.step()) << length;
                EXPECT_EQ(read.text(0), series.component);
                EXPECT_EQ(read.integer(1), i);
                auto const value = series.values[static_cast<std::size_t>(i)];
                EXPECT_EQ(read.is_null(2), !std::isfinite(value)) << i;
                if (!read.is_null(2)) {
                    EXPECT_EQ(read.real(2), value);
                }
            }
        EXPECT_FALSE(read.step()) << length;
    }
}

/// Bytes of pages that a sample takes where every attempt has two series of K and V together, of so many values.
double bytes_a_sample(Store& store, int length, double value) {
    constexpr int attempts = 4000;
    auto* const connection = store.connection();
    execute(connection,
            "PRAGMA foreign_keys = OFF; DELETE FROM sample_block; INSERT OR IGNORE INTO series VALUES "
            "(1, 1, 'kv'), (2, 2, 'kv'); VACUUM");
    auto const before = number(store, "PRAGMA page_count");
    // In the order of a run, transaction by transaction, with numbers of attempts as of a database that is large already.
    Statement add(connection, "INSERT INTO sample_block VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    Transaction transaction(connection);
    for (int attempt = 0; attempt < attempts; ++attempt)
        for (int series : {1, 2})
            for (int first = 0; first < length; first += samples_a_row) {
                int const last = std::min(first + samples_a_row, length) - 1;
                auto const at = [&](int i) { return first + i <= last ? std::optional(value + i) : std::nullopt; };
                add.run(1'000'000 + attempt, series, last, at(0), at(1), at(2), at(3), at(4));
            }
    transaction.commit();
    EXPECT_EQ(number(store, "SELECT sum(n) FROM sample_count"), 2 * attempts * length);
    return static_cast<double>((number(store, "PRAGMA page_count") - before) * number(store, "PRAGMA page_size")) /
           (2.0 * attempts * length);
}

/// Three doubles: a payload of 38 bytes, and 3 of its page; of which SQLite leaves about an eighth empty.
TEST_F(SummaryTest, ASampleOfASeriesOfThreeOrMoreTakesAtMostSixteenBytes) {
    for (int const length : {3, 4, 5, 6, 7, 10, 11, 50})
        EXPECT_LE(bytes_a_sample(store, length, 1e6 / 3), 16) << length;
    EXPECT_LE(bytes_a_sample(store, 50, 12'345'678), 8.75) << "whole nanoseconds";
}

}  // namespace
}  // namespace kvstone::test
