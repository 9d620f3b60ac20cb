// Marks of moved levels: those that are found, and the rate of false ones.

#include "results/statistics/change_points.hpp"

#include <random>
#include <set>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>

#include "results/query/show.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "scenarios/errors.hpp"
#include "tests/report/nights.hpp"

namespace kvstone {
namespace {

/// Nights of a timing: 1.2% noise, one night in a hundred 10% off; from `step_at` on at another level.
std::vector<double> nights(std::mt19937_64& random, std::size_t count, std::size_t step_at = 0, double step = 1) {
    std::normal_distribution noise(0.0, 0.012);
    std::bernoulli_distribution spike(0.01);
    std::vector<double> series(count);
    for (std::size_t i = 0; i < count; ++i)
        series[i] = std::exp(noise(random)) * (spike(random) ? 1.1 : 1.0) * (step_at > 0 && i >= step_at ? step : 1.0);
    return series;
}

TEST(Level, FalseAlarmsAreAsOftenAsSaid) {
    constexpr int trials = 20'000;
    std::mt19937_64 random(20260302);
    int alarmed = 0;
    for (int i = 0; i < trials; ++i) alarmed += change_points(nights(random, 100), false).empty() ? 0 : 1;
    double const share = static_cast<double>(alarmed) / trials;
    RecordProperty("share", std::to_string(share));
    // Three standard errors of the share.
    EXPECT_NEAR(share, change_point_false_alarms_per_100_nights, 0.0035)
        << "say so in results/statistics/change_points.hpp";
}

TEST(Level, FindsAStepWhereItIs) {
    std::mt19937_64 random(7);
    int found = 0;
    for (int i = 0; i < 1000; ++i) {
        auto const moves = change_points(nights(random, 60, 30, 0.9), false);
        found += !moves.empty() && moves.front() >= 29 && moves.front() <= 31 ? 1 : 0;
    }
    EXPECT_GE(found, 900);
}

TEST(Level, OneOddNightIsNoMove) {
    std::vector<double> series(20, 100.0);
    series[12] = 130;
    EXPECT_TRUE(change_points(series, false).empty());
    EXPECT_EQ(change_points(series, true), (std::vector<std::size_t>{12, 13}));
}

TEST(Level, CountsAnewAfterAMark) {
    std::vector<double> series(10, 1.0);
    series.insert(series.end(), 10, 2.0);
    series.insert(series.end(), 10, 3.0);
    EXPECT_EQ(change_points(series, false), (std::vector<std::size_t>{10, 20}));
    EXPECT_TRUE(change_points({}, false).empty());
}

TEST(History, TellsWhatChangedAndWhereTheLevelMoved) {
    test::Folder const folder;
    test::write_nights(folder.file(), {.campaigns = 16,
                                       .codecs = 3,
                                       .sources = 1,
                                       .contexts = 1,
                                       .metrics_per_component = 2,
                                       .samples = 1,
                                       .slow_from_night = 11});
    auto const store = Store::open_read_only(folder.file());
    auto const history = history_rows(store, "decode_gb_per_s");
    ASSERT_EQ(history.rows.size(), 2 * 16);  // the third cell is owed
    std::string moves;
    for (auto const& row : history.rows) {
        EXPECT_EQ(row.size(), history.columns.size());
        moves += std::holds_alternative<std::string>(row.back()) ? '!' : '.';
    }
    // Names sort the hostile one first.
    EXPECT_EQ(moves,
              "................"
              "...........!....");
    EXPECT_EQ(test::number(store,
                           "SELECT count(*) FROM v_history WHERE metric = 'decode_gb_per_s' AND same_toolchain AND NOT "
                           "same_binary AND abs(change_percent) < 10"),
              2 * 15 - 1);
    std::ostringstream out;
    show_history(store, out, "decode_gb_per_s");
    EXPECT_THAT(out.str(), testing::HasSubstr("2.2% of series of 100 quiet nights"));
    test::expect_error<ConfigError>([&] { history_rows(store, "speed"); }, "kvstone list metrics");

    // Of one campaign: its cells, up to it.
    auto const third = test::text(store, "SELECT uid FROM campaign ORDER BY started_utc LIMIT 1 OFFSET 2");
    auto const until = history_rows(store, "decode_gb_per_s", third);
    ASSERT_EQ(until.rows.size(), 2 * 3);
    for (std::size_t i = 0; i < until.rows.size(); ++i) EXPECT_EQ(until.rows[i][9], history.rows[i + i / 3 * 13][9]);
    std::ostringstream some;
    show_history(store, some, "decode_gb_per_s", {.campaign = third.substr(0, 10)});
    EXPECT_LT(some.str().size(), out.str().size());
    test::expect_error<ConfigError>([&] { history_rows(store, "decode_gb_per_s", "nosuch"); },
                                    "no campaign has this id");
}

/// Hardware, builds and toolchains that change, figures that are absent or zero: row by row as the view has them.
TEST(History, IsThatOfTheView) {
    test::Folder const folder;
    test::write_nights(
        folder.file(),
        {.campaigns = 9, .codecs = 3, .sources = 2, .contexts = 2, .metrics_per_component = 2, .samples = 1});
    auto const store = Store::open(folder.file());
    execute(store.connection(), R"sql(
UPDATE campaign SET hardware_class = 'another' WHERE id % 4 = 0;
UPDATE campaign SET night = 'named' WHERE id = 2;
UPDATE campaign SET build = 1 WHERE id IN (2, 3);
UPDATE campaign SET build = 6 WHERE id = 7;
UPDATE build SET git_sha = 'abc-dirty', source_hash = '' WHERE id = 6;
INSERT INTO toolchain VALUES (2, 'beef', 'g++ 17');
UPDATE build SET toolchain = 2 WHERE id >= 9;
UPDATE figure SET value = NULL WHERE attempt % 5 = 0;
UPDATE figure SET value = 0 WHERE attempt % 7 = 0;
UPDATE cell SET workload = 'append' WHERE id % 4 = 1;
)sql");
    auto const sixth = test::text(store, "SELECT uid FROM campaign WHERE id = 6");
    std::set<std::string> sames;
    for (std::string const metric : {"nmse", "decode_gb_per_s"})
        for (auto const& campaign : {std::string(), sixth}) {
            auto const expected = query(
                store,
                "SELECT cell, component, hardware_class, codec_name, workload, source, context, night, " +
                    campaign_build_sql("v_history.campaign") +
                    ", value, change_percent, CASE WHEN same_binary THEN 'binary' WHEN same_toolchain THEN 'toolchain' "
                    "END "
                    "FROM v_history WHERE metric = ?1 AND value IS NOT NULL AND (?2 = '' OR (hardware_class = 'hw' AND "
                    "started_utc <= (SELECT started_utc FROM campaign WHERE uid = ?2))) ORDER BY workload, source, "
                    "context, "
                    "codec_name, cell, component, hardware_class, started_utc",
                {metric, campaign});
            auto found = history_rows(store, metric, campaign);
            for (auto& row : found.rows) {
                row.pop_back();
                sames.insert(text(row.back()));
            }
            EXPECT_GT(found.rows.size(), 30U);
            EXPECT_TRUE(found.rows == expected.rows) << metric << " " << campaign;
        }
    EXPECT_EQ(sames, (std::set<std::string>{"", "binary", "toolchain"}));
}

}  // namespace
}  // namespace kvstone
