// Which codecs no other beats, on rows whose answer is known.

#include "results/query/pareto.hpp"

#include <sstream>

#include <gmock/gmock.h>

#include "results/report/report.hpp"
#include "results/store/schema.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/pareto_fixture.hpp"

namespace kvstone {
namespace {

using test::model_cell;
using test::model_measurement;
using test::ModelFigures;
using testing::HasSubstr;
using testing::Not;

struct ParetoTest : testing::Test {
    test::Folder folder;
    Store store = Store::open(folder.file());
    std::vector<Cell> cells;
    std::vector<Measurement> measurements;

    void add(Cell const& cell, ModelFigures const& figures) {
        cells.push_back(cell);
        measurements.push_back(model_measurement(cell, figures));
    }
    void add(std::string const& codec, ModelFigures const& figures) { add(model_cell(codec), figures); }
    void store_all() {
        store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measurements);
    }
    std::string front() {
        return test::text(
            store,
            "SELECT coalesce(group_concat(codec, ' '), '') FROM (SELECT codec FROM v_pareto WHERE on_front "
            "ORDER BY position)");
    }
    std::string of(std::string const& codec) {
        return test::text(store,
                          "SELECT coalesce(left_out, 'by ' || beaten_by, 'rival ' || rival, '') FROM v_pareto "
                          "WHERE codec = '" +
                              codec + "'");
    }
    std::string pairs() {
        return test::text(
            store,
            "SELECT coalesce(group_concat(source || '+' || codec, ' '), '') FROM (SELECT source, codec FROM "
            "v_pareto_total WHERE on_front ORDER BY position)");
    }
    /// What `ask` gets from a view in which `part` reads otherwise.
    template <class Ask>
    std::string where(std::string const& view, std::string const& part, std::string const& otherwise, Ask ask) {
        auto sql = pareto_views();
        sql.erase(0, sql.find("CREATE VIEW " + view + "("));
        sql.erase(sql.find(";\n"));
        auto const at = sql.find(part);
        EXPECT_NE(at, std::string::npos) << part;
        sql.replace(at, part.size(), otherwise);
        sql.insert(std::string_view("CREATE ").size(), "TEMP ");
        execute(store.connection(), sql);
        auto const found = ask();
        execute(store.connection(), "DROP VIEW temp." + view);
        return found;
    }
    std::string front_where(std::string const& part, std::string const& otherwise) {
        return where("v_pareto", part, otherwise, [this] { return front(); });
    }
    std::string pairs_where(std::string const& part, std::string const& otherwise) {
        return where("v_pareto_total", part, otherwise, [this] { return pairs(); });
    }

    struct Pair {
        std::string weights;
        std::string codec;
        double weights_bytes = 0;
        double stored_bytes = 0;  ///< of two passages
        std::optional<double> compute_bytes = {};
        double kld = 0.01;
        double speed = 100;
        std::string reference = "aa11";
    };
    /// `pair`: weights of 0 bytes have no such figure.
    void add(Pair const& pair) {
        auto c = model_cell(pair.codec);
        c.source_name = pair.weights;
        c.source["sha256"] = pair.weights == "f16" ? "aa11" : pair.weights;
        c.source["reference_sha256"] = pair.reference;
        c.id = fmt::format("{:0>16}", pair.weights + pair.codec);
        add(c, {.bits = 4,
                .kld = pair.kld,
                .kld_low = pair.kld,
                .kld_high = pair.kld,
                .speed = pair.speed,
                .speed_low = pair.speed,
                .speed_high = pair.speed});
        auto& figures = measurements.back().figures;
        figures.push_back({"kv", "stored_bytes", pair.stored_bytes, 1, {}, {}});
        figures.push_back({"kv", "passages", 2, 1, {}, {}});
        if (pair.weights_bytes > 0) figures.push_back({"kv", "weights_bytes", pair.weights_bytes, 1, {}, {}});
        if (pair.compute_bytes) figures.push_back({"kv", "compute_bytes", *pair.compute_bytes, 1, {}, {}});
    }
    std::string shown() {
        std::ostringstream out;
        show_pareto(store, out, {});
        return out.str();
    }
};

TEST_F(ParetoTest, AWorseCodecIsBeatenAndTradesAreKept) {
    add("good", {.bits = 4, .kld = 0.01, .speed = 100});
    add("worse",
        {.bits = 5, .kld = 0.02, .kld_low = 0.02, .kld_high = 0.02, .speed = 90, .speed_low = 90, .speed_high = 90});
    add("small", {.bits = 3, .kld = 0.5, .kld_low = 0.5, .kld_high = 0.5, .speed = 100});
    add("fast",
        {.bits = 6, .kld = 0.02, .kld_low = 0.02, .kld_high = 0.02, .speed = 900, .speed_low = 900, .speed_high = 900});
    store_all();
    EXPECT_EQ(front(), "good small fast");
    EXPECT_EQ(of("worse"), "by good");
    EXPECT_EQ(front_where("(a.size < b.size OR a.error <> b.error OR a.speed IS NOT b.speed)", "0"),
              "good worse small fast");
    EXPECT_EQ(front_where("a.size <= b.size", "1"), "good fast");
    EXPECT_EQ(front_where("(a.speed IS b.speed OR a.speed_least > b.speed_most OR b.times_of <> 'attempt')", "1"),
              "good small");
}

TEST_F(ParetoTest, EqualsAreBothKept) {
    add("one", {});
    add("two", {});
    store_all();
    EXPECT_EQ(front(), "one two");
    EXPECT_EQ(of("one") + of("two"), "");
    EXPECT_EQ(front_where("(a.size < b.size OR a.error <> b.error OR a.speed IS NOT b.speed)", "1"), "");
}

TEST_F(ParetoTest, NothingIsBeatenWithinTheIntervals) {
    add("sure", {.bits = 4, .kld = 0.010, .kld_low = 0.008, .kld_high = 0.012});
    add("unsure", {.bits = 5, .kld = 0.013, .kld_low = 0.011, .kld_high = 0.015});
    add("apart", {.bits = 5, .kld = 0.014, .kld_low = 0.0121, .kld_high = 0.016});
    add("slow", {.bits = 5,
                 .kld = 0.014,
                 .kld_low = 0.013,
                 .kld_high = 0.016,
                 .speed = 99,
                 .speed_low = 90,
                 .speed_high = 101});
    store_all();
    EXPECT_EQ(front(), "sure unsure slow");
    EXPECT_EQ(of("unsure"), "rival sure") << "worse in bits and by value, and yet it might be the better one";
    EXPECT_EQ(of("apart"), "by sure");
    EXPECT_EQ(of("slow"), "rival sure") << "speeds within the intervals decide nothing either";
    EXPECT_EQ(front_where("a.error_most < b.error_least", "a.error < b.error"), "sure slow")
        << "a view that looks at values alone is told apart";
    EXPECT_EQ(front_where("a.speed_least > b.speed_most", "a.speed > b.speed"), "sure unsure");
    EXPECT_THAT(shown(), HasSubstr("within the intervals of sure\n"));
    EXPECT_THAT(shown(), HasSubstr("\nBeaten: apart by sure\n"));
}

TEST_F(ParetoTest, WhatWasNotReadThroughTheCodecNeitherBeatsNorStands) {
    add("engaged", {.bits = 4, .kld = 0.01, .read = 0.5});
    add("bypass", {.bits = 2, .kld = 0, .kld_low = 0, .kld_high = 0, .read = 0.4999});
    add("crashed", {});
    add("later", {});
    measurements[2] = test::measurement(cells[2], Status::crash);
    measurements.pop_back();
    store_all();
    EXPECT_EQ(front(), "engaged");
    EXPECT_EQ(of("bypass"), "not_engaged");
    EXPECT_EQ(of("crashed") + " " + of("later"), "crash missing");
    EXPECT_EQ(front_where("WHEN read_fraction < 0.5 THEN 'not_engaged'", ""), "bypass");
    EXPECT_EQ(front_where("iif(left_out IS NULL, (campaign", "iif(1, (campaign"), "");
    EXPECT_THAT(shown(), HasSubstr("\nLeft out: 1 crash (crashed), 1 missing (later), 1 not_engaged (bypass)\n"));
}

TEST_F(ParetoTest, OnlyPeersAreCompared) {
    add(model_cell("good", 1024, "decode"), {.bits = 4});
    add(model_cell("worse", 1024, "context"), {.bits = 5});
    add(model_cell("worse", 2048, "decode"), {.bits = 5});
    auto other_text = model_cell("worse");
    other_text.id = "0000other0000000";
    other_text.source["text_sha256"] = "cc33";
    add(other_text, {.bits = 5});
    store_all();
    EXPECT_EQ(front(), "good worse worse worse");
    EXPECT_EQ(front_where("ORDER BY workload, options, source, context, batch, page, threads, backend", "ORDER BY 0"),
              "good");
    EXPECT_THAT(shown(), HasSubstr("model {\"protocol\":\"context\"}  tiny  1024 tokens  openmp\n"));
}

TEST_F(ParetoTest, TensorErrorsTakeThePlaceOfKldAndTheOutputSaysSo) {
    auto const figures = [](Cell const& cell, double bits, double k_nmse, double v_nmse, std::optional<double> speed) {
        auto m = test::measurement(cell);
        m.figures = {{"kv", "bits_per_value", bits, 1, {}, {}},
                     {"k", "nmse", k_nmse, 1, {}, {}},
                     {"v", "nmse", v_nmse, 1, {}, {}},
                     {"kv", "nmse", 0.0, 1, {}, {}}};
        if (speed) m.figures.push_back({"kv", "decode_gb_per_s", *speed, 9, *speed, *speed});
        return m;
    };
    cells = {test::cell("a"), test::cell("b"), test::cell("c", 64), test::cell("d", 64)};
    measurements = {figures(cells[0], 4, 0.1, 0.01, 5), figures(cells[1], 4, 0.02, 0.09, 5),
                    figures(cells[2], 4, 0.1, 0.01, {}), figures(cells[3], 5, 0.1, 0.01, {})};
    store_all();
    EXPECT_EQ(front(), "b c") << "the worse of K and V counts";
    EXPECT_THAT(shown(), HasSubstr("No KLD here: the error is nmse, the worse of K's and V's.\n"));
    EXPECT_THAT(shown(), HasSubstr("Nothing was timed: bits and error alone are compared.\n"));
    auto attention = test::measurement(cells[0]);
    attention.finished_utc = "2026-01-05T00:00:00.000Z";
    attention.figures = {{"kv", "bits_per_value", 4.0, 1, {}, {}}, {"kv", "attention_kl", 0.1, 1, {}, {}}};
    measurements = {attention};
    store_all();
    EXPECT_THAT(shown(), HasSubstr("No KLD here: the error is attention_kl.\n"));
}

TEST_F(ParetoTest, BesideCodecsThatDropTokensTheErrorIsThatOfTheOutput) {
    struct Of {
        std::string codec;
        double bits;
        std::optional<double> kl;
        double output_error;
        std::uint64_t context = 1024;
    };
    std::string const half = "keep:policy=knorm,share=0.5 | int:bits=4",
                      most = "keep:policy=knorm,share=0.9 | int:bits=2";
    for (auto const& of :
         {Of{"raw", 32, 0, 0}, Of{"int4", 4, 0.1, 0.05}, Of{half, 2.1, {}, 0.2}, Of{most, 2.2, {}, 0.3},
          Of{"int5", 5, 0.05, 0.06}, Of{"int4", 4, 0.1, 0.05, 64}, Of{"int5", 5, 0.05, 0.06, 64}}) {
        auto c = test::cell(of.codec, of.context);
        c.workload = "attention";
        auto m = test::measurement(c);
        m.figures = {{"kv", "bits_per_value", of.bits, 1, {}, {}},
                     {"kv", "attention_output_error", of.output_error, 1, {}, {}}};
        if (of.kl) m.figures.push_back({"kv", "attention_kl", *of.kl, 1, {}, {}});
        cells.push_back(c);
        measurements.push_back(m);
    }
    store_all();
    EXPECT_EQ(front(), "raw int4 " + half + " int4 int5") << "int5 is beaten by the output's error, not by KL";
    EXPECT_EQ(of(most), "by " + half);
    EXPECT_EQ(test::text(store, "SELECT group_concat(DISTINCT error_metric) FROM v_pareto WHERE context = 1024"),
              "attention_output_error");
    EXPECT_EQ(test::text(store, "SELECT group_concat(DISTINCT error_metric) FROM v_pareto WHERE context = 64"),
              "attention_kl");
    EXPECT_EQ(front_where("codec LIKE 'keep:%'", "0"), "raw int4 int5 int4 int5")
        << "the others would be without an error";
    EXPECT_THAT(shown(), HasSubstr("the error is attention_output_error, as codecs that drop tokens"));
    EXPECT_THAT(shown(), Not(HasSubstr("no error")));
    std::ostringstream out;
    write_markdown_report(store, out, {.name = "x"});
    EXPECT_THAT(out.str(), HasSubstr("| attention_output_error |   0.3 |"));

    // In a campaign without them, of the same file, KL is the error as ever.
    cells = {cells[0], cells[1], cells[4]};
    measurements = {measurements[0], measurements[1], measurements[4]};
    for (auto& m : measurements) m.attempt_id = test::unique_id();
    store_all();
    EXPECT_EQ(test::text(store,
                         "SELECT group_concat(DISTINCT error_metric) FROM v_pareto WHERE context = 1024 AND "
                         "campaign = (SELECT uid FROM campaign ORDER BY id DESC LIMIT 1)"),
              "attention_kl");
}

TEST_F(ParetoTest, OfSeveralProcessesTheCombinedErrorOfTheOutputCounts) {
    auto c = test::cell("keep:policy=knorm,share=0.5 | raw");
    c.workload = "attention";
    std::vector<Measurement> both;
    for (int process = 0; process < 3; ++process) {
        auto m = test::measurement(c, Status::ok, 0.75, process);
        m.figures = {{"kv", "bits_per_value", 16, 1, {}, {}},
                     {"kv", "attention_output_error", 0.1 * (process + 1), 1, {}, {}}};
        both.push_back(m);
    }
    store.ingest(store.begin_campaign(test::plan({c}, 3), test::build(), "hw", false), both);
    EXPECT_EQ(test::text(store, "SELECT printf('%.3f', error) FROM v_pareto"), "0.200");
}

TEST_F(ParetoTest, TasksAreComparedByTheAnswersThatTheyLose) {
    for (std::string const metric : {"recall_accuracy_delta", "acc_delta"}) {
        struct Of {
            std::string codec;
            double bits, delta;
        };
        for (auto const& of : {Of{"none", 16, 0}, Of{"small", 4, -0.1}, Of{"worse", 5, -0.3}, Of{"near", 5, -0.12}}) {
            auto c = test::cell(of.codec);
            c.workload = "tasks";
            c.options = {{"task", metric}};
            c.id = fmt::format("{:0>16}", of.codec + metric.substr(0, 3));
            c.canonical += metric;
            auto m = test::measurement(c);
            m.figures = {{"kv", "bits_per_value", of.bits, 1, {}, {}},
                         {"kv", metric, of.delta, 72, of.delta - 0.05, of.delta + 0.05}};
            cells.push_back(c);
            measurements.push_back(m);
        }
    }
    store_all();
    EXPECT_EQ(front(), "none small near none small near");
    EXPECT_EQ(
        test::text(store, "SELECT group_concat(codec || ' ' || beaten_by, ', ') FROM v_pareto WHERE beaten_by <> ''"),
        "worse small, worse small");
    EXPECT_EQ(test::text(store, "SELECT group_concat(codec || ' ' || rival, ', ') FROM v_pareto WHERE rival <> ''"),
              "near small, near small");
    EXPECT_EQ(test::text(store,
                         "SELECT group_concat(error_metric || ' ' || printf('%.2f %.2f %.2f', error, error_low, "
                         "error_high), ', ') FROM v_pareto WHERE codec = 'small'"),
              "recall_accuracy_delta -0.10 -0.15 -0.05, acc_delta -0.10 -0.15 -0.05");
    EXPECT_EQ(front_where("error_metric LIKE '%\\_delta'", "error_metric LIKE 'no'"), "small worse small worse")
        << "less would be better";
    EXPECT_THAT(shown(), HasSubstr("the error is acc_delta, of which more is better.\n"));
}

TEST_F(ParetoTest, OfASingleTensorItsOwnFiguresCount) {
    cells = {test::cell("a")};
    measurements = {test::measurement(cells[0])};
    measurements[0].figures = {{"v", "bits_per_value", 4.0, 1, {}, {}}, {"v", "nmse", 0.1, 1, {}, {}}};
    store_all();
    EXPECT_EQ(front(), "a");
}

TEST_F(ParetoTest, AFileWithViewsOfAnotherBuildIsReadWithOurs) {
    add("good", {});
    store_all();
    execute(store.connection(), "DROP VIEW v_pareto; CREATE VIEW v_pareto AS SELECT 1 AS one");
    store = Store::open(folder.file("other.db"));
    {
        auto const reader = Store::open_read_only(folder.file());
        EXPECT_EQ(test::text(reader, "SELECT group_concat(codec) FROM v_pareto WHERE on_front"), "good");
        EXPECT_EQ(test::number(reader, "SELECT count(*) FROM main.v_pareto"), 1) << "the file itself is as it was";
    }
    store = Store::open(folder.file());
    EXPECT_EQ(test::text(store, "SELECT group_concat(codec) FROM main.v_pareto WHERE on_front"), "good");
    // An older file with the columns that the view needs is read with it, and one that lacks it says so.
    execute(store.connection(), "DROP VIEW v_pareto; PRAGMA user_version = 3");
    EXPECT_EQ(
        test::text(Store::open_read_only(folder.file()), "SELECT group_concat(codec) FROM v_pareto WHERE on_front"),
        "good");
    execute(store.connection(), "ALTER TABLE cell RENAME COLUMN page TO what");
    auto const older = Store::open_read_only(folder.file());
    std::ostringstream out;
    test::expect_error<ConfigError>([&] { show_pareto(older, out, {}); }, "the database is of an older schema");
    EXPECT_EQ(out.str(), "");
}

TEST_F(ParetoTest, PairsOfWeightsAndCodecAreComparedByAllTheirBytes) {
    add({.weights = "f16", .codec = "fp16", .weights_bytes = 1000, .stored_bytes = 400, .compute_bytes = 50, .kld = 0});
    add({.weights = "f16",
         .codec = "int8",
         .weights_bytes = 1000,
         .stored_bytes = 200,
         .compute_bytes = 50,
         .kld = 0.01});
    add({.weights = "q8",
         .codec = "fp16",
         .weights_bytes = 500,
         .stored_bytes = 400,
         .compute_bytes = 50,
         .kld = 0.01,
         .speed = 90});
    // Beaten by q8 with fp16, though its cache is the smallest.
    add({.weights = "f16", .codec = "int2", .weights_bytes = 1000, .stored_bytes = 100, .kld = 0.02, .speed = 80});
    add({.weights = "q8",
         .codec = "int8",
         .weights_bytes = 500,
         .stored_bytes = 200,
         .compute_bytes = 50,
         .kld = 0.015});
    add({.weights = "old", .codec = "int8", .stored_bytes = 2});
    add({.weights = "other",
         .codec = "int2",
         .weights_bytes = 2000,
         .stored_bytes = 400,
         .kld = 0.5,
         .reference = "bb22"});
    // Beats f16 with int8: 1,050 bytes against 1,150.
    add({.weights = "q8",
         .codec = "raw",
         .weights_bytes = 500,
         .stored_bytes = 1000,
         .compute_bytes = 50,
         .kld = 0.005});
    store_all();
    EXPECT_EQ(
        test::text(store,
                   "SELECT group_concat(total_bytes || ' = ' || weights_bytes || ' + ' || cache_bytes || ' + ' "
                   "|| coalesce(compute_bytes, '-'), ', ') FROM (SELECT * FROM v_pareto_total WHERE codec <> "
                   "'int8' ORDER BY position)"),
        "1250.0 = 1000.0 + 200.0 + 50.0, 750.0 = 500.0 + 200.0 + 50.0, 1050.0 = 1000.0 + 50.0 + -, 2200.0 = 2000.0 + "
        "200.0 + -, 1050.0 = 500.0 + 500.0 + 50.0");
    EXPECT_EQ(pairs(), "f16+fp16 q8+fp16 q8+int8 other+int2 q8+raw") << "only pairs of one reference meet";
    EXPECT_EQ(test::text(store,
                         "SELECT beaten_by_source || '+' || beaten_by FROM v_pareto_total WHERE source = 'f16' AND "
                         "codec = 'int2'"),
              "q8+fp16");
    EXPECT_EQ(test::text(store, "SELECT source || ' ' || left_out FROM v_pareto_total WHERE left_out <> ''"),
              "old no bytes");
    EXPECT_EQ(pairs_where("weights_bytes + stored_bytes", "stored_bytes"), "f16+fp16 f16+int8 f16+int2 other+int2")
        << "the cache alone would give another front";
    EXPECT_EQ(pairs_where(" / passages", ""), "f16+fp16 f16+int8 q8+fp16 q8+int8 other+int2");
    EXPECT_EQ(pairs_where("coalesce(compute_bytes, 0)", "compute_bytes"),
              "f16+fp16 q8+fp16 f16+int2 q8+int8 other+int2 q8+raw");
    EXPECT_EQ(front(), "fp16 int8 int2 raw") << "in v_pareto each file of weights has a contest of its own";
}

TEST_F(ParetoTest, APairThatOnlyTheIntervalsKeepHasARival) {
    add({.weights = "f16", .codec = "int8", .weights_bytes = 1000, .stored_bytes = 200, .kld = 0.012});
    add({.weights = "q8", .codec = "int8", .weights_bytes = 500, .stored_bytes = 200, .kld = 0.010});
    for (auto& m : measurements)
        for (auto& figure : m.figures)
            if (figure.metric == "kld_mean") figure.ci_low = 0.008, figure.ci_high = 0.014;
    store_all();
    EXPECT_EQ(pairs(), "f16+int8 q8+int8");
    EXPECT_EQ(test::text(store, "SELECT rival_source || '+' || rival FROM v_pareto_total WHERE source = 'f16'"),
              "q8+int8");
    std::ostringstream out;
    write_markdown_report(store, out, {.name = "x"});
    EXPECT_THAT(out.str(), HasSubstr("\n## Weights and cache\n"));
    EXPECT_THAT(out.str(), HasSubstr("within the intervals of int8 on q8 |\n"));
}

TEST_F(ParetoTest, ACommandIsComparedByBitsAndErrorAlone) {
    auto const command = [](std::string const& name) {
        return "external:name=" + name + ",kind=command,hash=0123456789abcdef";
    };
    // Much faster by its own times than what beats it in bits and error.
    add("int8", {.bits = 8, .kld = 0.01, .kld_low = 0.01, .kld_high = 0.01, .speed = 100});
    add(command("beaten"), {.bits = 9, .kld = 0.02, .kld_low = 0.02, .kld_high = 0.02, .speed = 900});
    // Better in bits and error than this one, whose speed it cannot claim to reach.
    add("slow",
        {.bits = 6, .kld = 0.03, .kld_low = 0.03, .kld_high = 0.03, .speed = 1, .speed_low = 1, .speed_high = 1});
    add(command("good"), {.bits = 5, .kld = 0.005, .kld_low = 0.005, .kld_high = 0.005, .speed = 900});
    add(command("worse"), {.bits = 5, .kld = 0.006, .kld_low = 0.006, .kld_high = 0.006, .speed = 901});
    add("external:name=quick,kind=library,hash=0123456789abcdef",
        {.bits = 9, .kld = 0.02, .kld_low = 0.02, .kld_high = 0.02, .speed = 900, .speed_low = 900, .speed_high = 900});
    store_all();
    EXPECT_EQ(front(), "int8 slow " + command("good") + " external:name=quick,kind=library,hash=0123456789abcdef");
    EXPECT_EQ(of(command("beaten")), "by int8");
    EXPECT_EQ(of(command("worse")), "by " + command("good"));
    EXPECT_EQ(test::text(store,
                         "SELECT count(*) FROM v_pareto WHERE times_of = 'command' AND (speed IS NOT NULL OR "
                         "speed_metric IS NOT NULL)"),
              "0");
    EXPECT_EQ(test::text(store,
                         "SELECT count(DISTINCT codec) FROM v_latest WHERE times_of = 'command' AND metric = "
                         "'decode_tokens_per_s' AND value > 0"),
              "3");
    EXPECT_THAT(shown(), HasSubstr("Times of a command are those of another process"));
}

}  // namespace
}  // namespace kvstone
