// The meaning of constraints, and which codec meets them with the fewest bits.

#include "results/query/best.hpp"

#include <algorithm>
#include <sstream>
#include <tuple>

#include <gmock/gmock.h>

#include "scenarios/errors.hpp"
#include "tests/results/pareto_fixture.hpp"

namespace kvstone {
namespace {

using test::expect_error;
using test::model_cell;
using test::model_measurement;
using testing::HasSubstr;
using testing::Not;

TEST(ConstraintTest, IsReadAsItIsWritten) {
    auto const all =
        parse_constraints(" kld_mean<0.01 and decode_tokens_per_s >= 1e2 token/s and ppl_delta_percent <= 5%");
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].text(), "kld_mean < 0.01 nat");
    EXPECT_EQ(all[1].text(), "decode_tokens_per_s >= 100 token/s");
    EXPECT_EQ(all[2].text(), "ppl_delta_percent <= 5 %");
    EXPECT_FALSE(all[0].holds_for(0.01));
    EXPECT_TRUE(all[0].holds_for(0.0099));
    EXPECT_TRUE(all[1].holds_for(100));
    EXPECT_FALSE(all[1].holds_for(99.9));
}

TEST(ConstraintTest, RefusesWhatItCannotMean) {
    auto const refused = [](std::string const& text, std::string const& message) {
        expect_error<ConfigError>([&] { parse_constraints(text); }, message);
    };
    refused("kld_men < 0.01",
            "no metric has this name; `kvstone list metrics` has them all: 'kld_men'; accepted: kld_mean");
    refused(
        "",
        "a condition is empty: expected a metric and its bound; accepted: METRIC < NUMBER [and METRIC > NUMBER ...]");
    refused("  ", "a condition is empty: expected a metric and its bound: '  '; accepted: METRIC");
    refused("< 3", "expected a metric before '< 3'");
    refused("kld_mean 0.01", "kld_mean has to be compared: '0.01'; accepted: <, <=, >, >=");
    refused("kld_mean = 0.01", "'='; accepted: <, <=, >, >=");
    refused("kld_mean < small", "kld_mean has to be compared with a number: 'small'");
    refused("kld_mean < nan", "kld_mean has to be compared with a number: 'nan'");
    refused("kld_mean < 1 bit",
            "behind the number stands another bound or the unit of kld_mean: 'bit'; accepted: and, nat");
    refused("top1_agreement > 0.9 %",
            "behind the number stands another bound or the unit of top1_agreement: '%'; accepted: and");
    refused("kld_mean < 1 nat or ppl < 3", "constraints are joined by 'and': 'or'");
    refused("kld_mean < 1 and",
            "a condition is empty: expected a metric and its bound: 'kld_mean < 1 and'; accepted: METRIC");
}

TEST(ConstraintTest, JudgesTheEndThatCounts) {
    Constraint const below{"kld_mean", true, true, 0.01};
    Constraint const above{"decode_tokens_per_s", false, true, 100};
    EXPECT_EQ(below.bounding_end({0.005, 0.001, 0.02}), 0.02);
    EXPECT_EQ(above.bounding_end({105, 90, 120}), 90);
    EXPECT_EQ(below.bounding_end({0.005, {}, {}}), std::nullopt) << "nothing says how sure it is";
    EXPECT_EQ((Constraint{"bits_per_value", true, true, 5}.bounding_end({4, {}, {}})), 4) << "deterministic";
}

struct BestTest : testing::Test {
    test::Folder folder;
    Store store = Store::open(folder.file());
    std::string campaign;

    void add(std::vector<std::pair<std::string, test::ModelFigures>> const& rows, bool failing = false) {
        std::vector<Cell> cells;
        std::vector<Measurement> measurements;
        for (auto const& [codec, figures] : rows) {
            cells.push_back(model_cell(codec));
            measurements.push_back(model_measurement(cells.back(), figures));
        }
        if (failing) {
            cells.push_back(model_cell("failing"));
            measurements.push_back(test::measurement(cells.back(), Status::verify_failed));
        }
        campaign = store.begin_campaign(test::plan(cells), test::build(), "hw", false).id;
        store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measurements);
    }
    std::string shown(std::string const& constraints) {
        std::ostringstream out;
        show_best(store, out, parse_constraints(constraints), {});
        return out.str();
    }
};

TEST_F(BestTest, ACodecWithoutAnErrorIsJudgedAndNotLeftOut) {
    auto const cell = model_cell("half");
    auto measured = model_measurement(cell, {.bits = 8});
    std::erase_if(measured.figures, [](Figure const& figure) { return figure.metric.starts_with("kld"); });
    measured.figures.push_back({"kv", "kept_share", 0.5, 1, {}, {}});
    store.ingest(store.begin_campaign(test::plan({cell}), test::build(), "hw", false), {measured});
    auto const text = shown("kept_share < 0.6");
    EXPECT_THAT(text, HasSubstr("\nhalf: 8.000 bits per value"));
    EXPECT_THAT(text, Not(HasSubstr("Left out")));
}

TEST_F(BestTest, TheFewestBitsWhoseWholeIntervalMeetsIt) {
    add({{"large", {.bits = 8, .kld = 0.001, .kld_low = 0.0005, .kld_high = 0.002}},
         {"small", {.bits = 4, .kld = 0.004, .kld_low = 0.002, .kld_high = 0.0099}},
         {"crossing", {.bits = 3, .kld = 0.004, .kld_low = 0.002, .kld_high = 0.0101}},
         {"bypass", {.bits = 2, .kld = 0, .kld_low = 0, .kld_high = 0, .read = 0.3}}},
        true);
    auto const text = shown("kld_mean < 0.01");
    EXPECT_THAT(text, HasSubstr("\nsmall: 4.000 bits per value, kld_mean 0.004 (0.002..0.0099)\nAlso: large (8.000)\n"))
        << "'crossing' has fewer bits and meets it by value, 'bypass' was not read through the codec";
    EXPECT_THAT(text, HasSubstr("Left out: 1 not_engaged (bypass), 1 verify_failed (failing)\n"));
    EXPECT_THAT(shown("kld_mean < 0.0102"), HasSubstr("\ncrossing: 3.000 bits"));
    EXPECT_THAT(shown("kld_mean < 0.01 and bits_per_value > 5"), HasSubstr("\nlarge: 8.000 bits"));
    auto const rows = best_rows(store, parse_constraints("kld_mean < 0.01"), "");
    ASSERT_EQ(rows.rows.size(), 3U);
    EXPECT_EQ(std::get<std::string>(rows.rows[0][1]), "small");
    EXPECT_EQ(std::get<std::int64_t>(rows.rows[0][5]), 1);
    EXPECT_EQ(std::get<std::int64_t>(rows.rows[1][5]), 0);
    EXPECT_EQ(std::get<std::int64_t>(rows.rows[2][4]), 0);
}

TEST_F(BestTest, EveryTailIsBoundedByItsWholeInterval) {
    std::string const tails[] = {"kld_median",      "kld_p99",         "kld_p999",
                                 "kld_max",         "large_kld_share", "sure_top1_flips",
                                 "kld_mean_digits", "kld_mean_rare",   "kld_mean_punctuation"};
    std::vector<Cell> const cells{model_cell("q4_0"), model_cell("q8_0"), model_cell("fp16")};
    std::vector<Measurement> measured;
    for (auto const& [bits, low, high] : {std::tuple{4.5, 0.1, 0.4}, {8.5, 0.05, 0.2}, {16.0, 0.0, 0.01}}) {
        measured.push_back(model_measurement(cells[measured.size()], {.bits = bits}));
        for (auto const& tail : tails)
            measured.back().figures.push_back({"kv", tail, (low + high) / 2, 2044, low, high});
        measured.back().figures.push_back({"kv", "passages", 4.0, 1, {}, {}});
    }
    store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measured);
    for (auto const& tail : tails) {
        EXPECT_THAT(shown(tail + " < 0.3"),
                    HasSubstr("\nq8_0: 8.500 bits per value, " + tail + " 0.125 (0.05..0.2)\n"));
        EXPECT_THAT(shown(tail + " <= 0.4"), HasSubstr("\nq4_0: 4.500 bits"));
        EXPECT_THAT(shown(tail + " < 0.2 and kld_mean < 0.02"), HasSubstr("\nfp16: 16.000 bits"));
        EXPECT_THAT(shown(tail + " < 0.01"), HasSubstr("\nNo codec meets this. The nearest is fp16"));
    }
    EXPECT_THAT(
        shown("kld_p999 < 0.3"),
        HasSubstr("\nNote: the interval comes from 4 passage(s): resampling so few makes it too narrow; measure "
                  "10 or more\n"));
    EXPECT_THAT(shown("bits_per_value < 9"), testing::Not(HasSubstr("passage(s)"))) << "no interval over passages";
}

struct JoinedBestTest : BestTest {
    std::vector<Cell> cells;
    std::vector<Measurement> measured;

    void kld(std::string const& codec, double bits, double value) {
        cells.push_back(model_cell(codec));
        measured.push_back(
            model_measurement(cells.back(), {.bits = bits, .kld = value, .kld_low = value, .kld_high = value}));
    }
    void items(Cell const& cell, std::string const& metric, Estimate const& figure, double read = 1) {
        cells.push_back(cell);
        measured.push_back(test::tasks_measurement(cell, metric, figure, read));
    }
    void ingest() { store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measured); }
    std::string chosen(std::string const& constraints) {
        auto const rows = best_rows(store, parse_constraints(constraints), "").rows;
        return std::get<std::int64_t>(rows.at(0).at(5)) != 0 ? std::get<std::string>(rows[0][1]) : "";
    }
};

TEST_F(JoinedBestTest, AConditionJoinsTextAndItemsBehindOneCache) {
    kld("q8_0", 8.5, 0.001);
    kld("q4_0", 4.5, 0.01);
    kld("int2", 2, 0.015);
    items(test::tasks_cell("q8_0"), "recall_accuracy", {0.95, 0.9, 1});
    items(test::tasks_cell("q4_0"), "recall_accuracy", {0.8, 0.7, 0.9});
    items(test::tasks_cell("q4_0", 1536), "recall_accuracy", {0.6, 0.5, 0.7});
    items(test::tasks_cell("q4_0", 512), "recall_accuracy", {0.85, 0.75, 0.95});
    items(test::tasks_cell("int2"), "recall_accuracy", {0.3, 0.2, 0.4});
    ingest();
    EXPECT_EQ(chosen("kld_mean < 0.02"), "int2");
    EXPECT_EQ(chosen("kld_mean < 0.02 and recall_accuracy > 0.65"), "q8_0") << "q4_0 at 1536 tokens does not";
    EXPECT_EQ(chosen("recall_accuracy > 0.45 and kld_mean < 0.02"), "q4_0");
    EXPECT_EQ(chosen("kld_mean < 0.005 and recall_accuracy > 0.1"), "q8_0");
    EXPECT_EQ(chosen("kld_mean < 0.02 and recall_accuracy > 0.95"), "");
    auto text = shown("kld_mean < 0.02 and recall_accuracy > 0.45");
    for (auto at = text.find("\n  "); at != std::string::npos; at = text.find("\n  ")) text.replace(at, 3, " ");
    EXPECT_THAT(text,
                HasSubstr("\nq4_0: 4.500 bits per value, kld_mean 0.01 (0.01..0.01), recall_accuracy 0.6 (0.5..0.7) "
                          "of workload tasks, key_value, contexts of 1536 tokens, the worst of 3 rows\n"));
    EXPECT_THAT(text, Not(HasSubstr("\ntasks "))) << "no answer of its own";
    auto const rows = best_rows(store, parse_constraints("kld_mean < 0.02 and recall_accuracy > 0.45"), "");
    EXPECT_EQ(rows.columns.back(), "recall_accuracy_task");
    EXPECT_EQ(rows.rows.at(0).back(),
              QueryValue("workload tasks, key_value, contexts of 1536 tokens, the worst of 3 rows"));
    EXPECT_EQ(rows.rows.at(0).at(10), QueryValue(nullptr)) << "the KLD is the row's own";
    // Where one workload has it all, it answers alone.
    EXPECT_THAT(shown("recall_accuracy > 0.45 and bits_per_value < 9"), HasSubstr("\ntasks "));
    EXPECT_THAT(shown("recall_accuracy > 0.45 and bits_per_value < 9"), Not(HasSubstr("of workload tasks")));
}

TEST_F(JoinedBestTest, OfACostTheLargestIsTheWorst) {
    kld("q4_0", 4.5, 0.01);
    items(test::tasks_cell("q4_0"), "flips_to_wrong", {3, 3, 3});
    items(test::tasks_cell("q4_0", 768, "hellaswag"), "flips_to_wrong", {7, 7, 7});
    items(test::tasks_cell("q4_0", 768, "arc"), "flips_to_wrong", {5, 5, 5});
    ingest();
    EXPECT_EQ(chosen("kld_mean < 0.02 and flips_to_wrong < 8"), "q4_0");
    EXPECT_EQ(chosen("kld_mean < 0.02 and flips_to_wrong < 7"), "");
    EXPECT_THAT(shown("kld_mean < 0.02 and flips_to_wrong < 8"), HasSubstr("hellaswag"));
}

/// A row of another protocol, reference, codec or model is another cache, and one that was barely read tells nothing.
TEST_F(JoinedBestTest, RowsOfOtherCachesAreNotJoined) {
    kld("q4_0", 4.5, 0.01);
    auto const bad = Estimate{0.1, 0, 0.2};
    items(test::tasks_cell("q4_0"), "recall_accuracy", {0.8, 0.7, 0.9});
    items(test::tasks_cell("q4_0", 768, "key_value", "context"), "recall_accuracy", bad);
    items(test::tasks_cell("q5_0"), "recall_accuracy", bad);
    auto other = test::tasks_cell("q4_0", 769);
    other.source["sha256"] = "cc33";
    items(other, "recall_accuracy", bad);
    other = test::tasks_cell("q4_0", 770);
    other.source["reference_sha256"] = "cc33";
    items(other, "recall_accuracy", bad);
    other = test::tasks_cell("q4_0", 771);
    other.options["prefill"] = "compressed";
    items(other, "recall_accuracy", bad);
    items(test::tasks_cell("q4_0", 772), "recall_accuracy", bad, 0.4);
    ingest();
    EXPECT_EQ(chosen("kld_mean < 0.02 and recall_accuracy > 0.65"), "q4_0");
    EXPECT_THAT(shown("kld_mean < 0.02 and recall_accuracy > 0.65"), Not(HasSubstr("the worst of")));
}

TEST_F(BestTest, ACommandMeetsErrorsAndNoSpeeds) {
    add({{"int8", {.bits = 8}}, {"external:name=mine,kind=command,hash=0123456789abcdef", {.bits = 3, .speed = 900}}});
    auto const best = [&](std::string const& constraints) {
        return std::get<double>(best_rows(store, parse_constraints(constraints), "").rows.at(0)[3]);
    };
    EXPECT_EQ(best("kld_mean < 0.02"), 3);
    EXPECT_EQ(best("kld_mean < 0.02 and decode_tokens_per_s > 50"), 8);
}

TEST_F(BestTest, WhereNoneMeetsItTheNearestIsNamed) {
    add({{"far", {.bits = 4, .kld = 0.5, .kld_low = 0.4, .kld_high = 0.6}},
         {"near", {.bits = 8, .kld = 0.02, .kld_low = 0.01, .kld_high = 0.03}}});
    EXPECT_THAT(
        shown("kld_mean < 0.01"),
        HasSubstr("\nNo codec meets this. The nearest is near: 8.000 bits per value, kld_mean 0.02 (0.01..0.03)\n"));
    EXPECT_THAT(shown("hit_rate > 0.5"), HasSubstr("\nNo cell with status ok has such a figure.\n"));
}

TEST_F(BestTest, WithoutAnIntervalTheValueAloneCounts) {
    auto const cell = test::cell("int8");
    auto const asked = parse_constraints("decode_gb_per_s > 1");
    for (int const processes : {3, 6}) {
        std::vector<Measurement> all;
        for (int process = 0; process < processes; ++process) {
            all.push_back(test::measurement(cell, Status::ok, 0.75, process));
            all.back().figures = {{"kv", "bits_per_value", 8.0, 1, {}, {}},
                                  {"kv", "decode_gb_per_s", 26.0 + process, 9, {}, {}}};
        }
        store.ingest(store.begin_campaign(test::plan({cell}, processes), test::build(), "hw", false), all);
    }
    auto const campaigns =
        query(store, "SELECT campaign.uid FROM campaign JOIN plan ON plan.id = plan ORDER BY processes");
    auto const of = [&](std::size_t which) {
        std::ostringstream out;
        show_best(store, out, asked, {.campaign = std::get<std::string>(campaigns.rows[which][0])});
        return out.str();
    };
    EXPECT_THAT(
        of(0),
        HasSubstr("\nint8: 8.000 bits per value, decode_gb_per_s 27 (no interval: 3 processes, and it takes 6; the "
                  "value alone counts)\n"));
    EXPECT_THAT(of(1), HasSubstr("\nint8: 8.000 bits per value, decode_gb_per_s 28.5 (26..31)\n"));
    auto const rows = best_rows(store, asked, std::get<std::string>(campaigns.rows[0][0]));
    EXPECT_EQ(rows.rows.at(0).at(4), QueryValue(std::int64_t{1})) << "meets";
    EXPECT_THAT(shown("decode_gb_per_s > 27.5"),
                testing::AnyOf(HasSubstr("\nNo codec meets this. The nearest is int8")));
}

TEST_F(BestTest, OfKAndVApartBothHaveToMeetIt) {
    auto const cell = test::cell("int8");
    auto measured = test::measurement(cell, Status::ok, 0.99);
    measured.figures.push_back({"kv", "bits_per_value", 8.0, 1, {}, {}});
    store.ingest(store.begin_campaign(test::plan({cell}), test::build(), "hw", false), {measured});
    EXPECT_THAT(shown("cosine > 0.4"), HasSubstr("\nint8: 8.000 bits"));
    EXPECT_THAT(shown("cosine > 0.9"),
                HasSubstr("\nNo codec meets this. The nearest is int8: 8.000 bits per value, cosine 0.5 of v\n"));
}

TEST_F(BestTest, OfAnErrorTheWorseOfKAndVCountsAsInParetoAndBest) {
    auto const cell = test::cell("int4");
    auto measured = test::measurement(cell);
    measured.figures = {{"kv", "bits_per_value", 4.0, 1, {}, {}}, {"k", "bits_per_value", 5.0, 1, {}, {}},
                        {"v", "bits_per_value", 3.0, 1, {}, {}},  {"k", "nmse", 1.2e-4, 1, {}, {}},
                        {"v", "nmse", 7.8e-4, 1, {}, {}},         {"kv", "nmse", 3.1e-4, 1, {}, {}}};
    store.ingest(store.begin_campaign(test::plan({cell}), test::build(), "hw", false), {measured});
    EXPECT_THAT(shown("nmse < 5e-4"),
                HasSubstr("\nNo codec meets this. The nearest is int4: 4.000 bits per value, nmse 0.00078 of v\n"));
    EXPECT_THAT(shown("nmse < 8e-4"), HasSubstr("\nint4: 4.000 bits per value, nmse 0.00078 of v\n"));
    auto const rows = best_rows(store, parse_constraints("nmse < 5e-4"), "");
    auto const at = [&](std::string const& column) {
        return rows.rows.at(0).at(
            static_cast<std::size_t>(std::ranges::find(rows.columns, column) - rows.columns.begin()));
    };
    EXPECT_EQ(at("nmse"), query(store, "SELECT error FROM v_pareto").rows.at(0).at(0)) << "one rule";
    EXPECT_EQ(at("nmse"), query(store, "@best").rows.at(0).at(6));
    EXPECT_EQ(at("nmse_component"), QueryValue("v"));
    EXPECT_EQ(at("meets"), QueryValue(std::int64_t{0}));
    EXPECT_THAT(shown("bits_per_value < 4.5"), HasSubstr("\nint4: 4.000 bits")) << "bytes are those of both";
}

}  // namespace
}  // namespace kvstone
