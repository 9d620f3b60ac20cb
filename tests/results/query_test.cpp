// Queries read, and do nothing else.

#include "results/query/query.hpp"

#include <algorithm>
#include <sstream>

#include "results/query/canned.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::build;
using test::cell;
using test::expect_error;
using test::measurement;
using test::plan;

struct QueryTest : testing::Test {
    QueryTest() {
        auto const campaign =
            store.begin_campaign(plan({cell("raw"), cell("fp16"), cell("int8")}), build(), "hw", false);
        store.ingest(campaign, {measurement(cell("raw")), measurement(cell("fp16"), Status::ok, 0.875),
                                measurement(cell("int8"), Status::crash)});
    }
    std::string printed(std::string const& sql, TableFormat format) {
        std::ostringstream out;
        print(out, query(store, sql), format);
        return out.str();
    }

    test::Folder folder;
    Store store = Store::open(folder.file());
};

TEST_F(QueryTest, NothingButReadingIsAllowed) {
    auto const victim = folder.file("victim");
    for (std::string const sql : {"INSERT INTO metric(name) VALUES ('x')",
                                  "UPDATE cell SET codec = 'x'",
                                  "DELETE FROM attempt",
                                  "DROP TABLE attempt",
                                  "CREATE TABLE t(x)",
                                  "CREATE TEMP TABLE t(x)",
                                  "CREATE VIEW temp.v AS SELECT 1",
                                  "REPLACE INTO metric(name) VALUES ('x')",
                                  "WITH x AS (SELECT 1) DELETE FROM attempt",
                                  "DELETE FROM attempt RETURNING *",
                                  "ALTER TABLE cell ADD COLUMN x",
                                  "REINDEX",
                                  "ANALYZE",
                                  "VACUUM",
                                  "VACUUM INTO 'VICTIM'",
                                  "ATTACH 'VICTIM' AS other",
                                  "ATTACH ':memory:' AS other",
                                  "DETACH main",
                                  "BEGIN",
                                  "COMMIT",
                                  "SAVEPOINT s",
                                  "PRAGMA user_version = 7",
                                  "PRAGMA application_id(7)",
                                  "PRAGMA journal_mode = DELETE",
                                  "PRAGMA writable_schema = ON",
                                  "PRAGMA foreign_keys = OFF",
                                  "PRAGMA wal_checkpoint",
                                  "PRAGMA query_only = 0",
                                  "PRAGMA temp_store_directory = '/'",
                                  "PRAGMA optimize",
                                  "SELECT load_extension('VICTIM')",
                                  "SELECT fts3_tokenizer('x')",
                                  "SELECT writefile('VICTIM', 'x')",
                                  "SELECT edit('x', 'rm -rf /')",
                                  "CREATE VIRTUAL TABLE t USING fts5(x)",
                                  "EXPLAIN DELETE FROM attempt",
                                  "SELECT 1; DELETE FROM attempt",
                                  "SELECT 1; ATTACH 'VICTIM' AS other",
                                  "",
                                  ";",
                                  "-- nothing",
                                  "SELEC 1"}) {
        auto text = sql;
        if (auto const at = text.find("VICTIM"); at != std::string::npos) text.replace(at, 6, victim);
        EXPECT_THROW(query(store, text), ConfigError) << text;
        EXPECT_FALSE(std::filesystem::exists(victim)) << text;
    }
    auto const reader = Store::open_read_only(folder.file());
    EXPECT_THROW(query(reader, "VACUUM INTO '" + victim + "'"), ConfigError);
    EXPECT_FALSE(std::filesystem::exists(victim));
    // The writer has its freedom back.
    EXPECT_NO_THROW(execute(store.connection(), "CREATE TEMP TABLE t(x)"));
    EXPECT_EQ(test::number(store, "SELECT count(*) FROM attempt"), 3);
}

TEST_F(QueryTest, WhatReadingNeedsIsAllowed) {
    for (std::string const sql :
         {"SELECT count(*) FROM v_latest",
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) "
          "SELECT sum(i) FROM n",
          "VALUES (1)", "SELECT * FROM sqlite_schema", "SELECT * FROM pragma_table_info('cell')",
          "PRAGMA table_info(cell)", "PRAGMA user_version", "EXPLAIN QUERY PLAN SELECT 1",
          "SELECT json_extract(value, '$.kind') FROM (SELECT source AS value FROM cell)",
          "SELECT * FROM json_each('[1]')", "SELECT 1;  \n", "SELECT 1; -- done"})
        EXPECT_NO_THROW(query(store, sql)) << sql;
}

TEST_F(QueryTest, ARunawayQueryEndsAtItsTimeLimit) {
    expect_error<ConfigError>(
        [&] {
            query(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", {},
                  0.05);
        },
        "time limit of 0.05 s");
    EXPECT_EQ(query(store, "SELECT 1").rows.size(), 1U);  // the limit went with it
}

TEST_F(QueryTest, AValueWithoutEndIsRefused) {
    EXPECT_THROW(query(store, "SELECT zeroblob(1000000000)"), ConfigError);
    EXPECT_THROW(query(store, "SELECT replace(hex(zeroblob(40000000)), '0', 'xxxxxxxx')"), ConfigError);
}

TEST_F(QueryTest, ParametersAreBoundNotPasted) {
    auto const result =
        query(store, "SELECT ?1, ?2, ?3, ?4", {std::string("'; DROP TABLE cell; --"), std::int64_t{7}, 0.5, nullptr});
    EXPECT_EQ(result.rows[0], (std::vector<QueryValue>{"'; DROP TABLE cell; --", std::int64_t{7}, 0.5, nullptr}));
    expect_error<ConfigError>([&] { query(store, "SELECT ?1"); }, "has 1 parameters, 0 were given");
}

TEST_F(QueryTest, EveryCannedQueryRuns) {
    for (auto const& canned : canned_queries()) {
        EXPECT_FALSE(canned.description.empty());
        std::string text = fmt::format("@{}", canned.name);
        std::istringstream wanted{std::string(canned.parameters)};
        for (std::string word; wanted >> word;) text += word == "METRIC" ? " cosine" : " raw";
        EXPECT_NO_THROW(query(store, text)) << text;
    }
    EXPECT_EQ(query(store, "@list").rows.size(), canned_queries().size());
    EXPECT_EQ(query(store, "@failures").rows.size(), 1U);
    EXPECT_EQ(query(store, "@latest").rows.size(), 7U);
    auto const best = query(store, "@best-by cosine");
    EXPECT_EQ(best.rows[0][3], QueryValue("fp16"));  // 0.875 before 0.75
    EXPECT_EQ(best.rows[1][3], QueryValue("raw"));
    expect_error<ConfigError>([&] { query(store, "@latst"); }, "did you mean 'latest'?");
    expect_error<ConfigError>([&] { query(store, "@best-by"); }, "@best-by METRIC");
}

TEST_F(QueryTest, StatisticsAreOfAllProcessesAndOfTheNewestCampaign) {
    auto const campaign = store.begin_campaign(plan({cell("int8")}, 2), build(), "hw", false);
    std::vector<Measurement> processes;
    for (int process : {0, 1}) {
        auto one = measurement(cell("int8"), Status::ok, 0.75, process);
        one.figures = {{"k", "original_bytes", 400, 1, {}, {}},     {"k", "stored_bytes", 104, 1, {}, {}},
                       {"k", "bytes_saved", 296, 1, {}, {}},        {"k", "encode_mean_ns", 20, 3, {}, {}},
                       {"k", "relative_error_mean", .2, 1, {}, {}}, {"k", "relative_error_p50", .1, 1, {}, {}},
                       {"k", "relative_error_p95", .5, 1, {}, {}},  {"k", "relative_error_p99", .6, 1, {}, {}},
                       {"k", "relative_error_max", .7, 1, {}, {}},  {"kv", "original_bytes", 800, 1, {}, {}}};
        one.samples = {{"k", "encode_ns", {10, 20, 30}}, {"v", "encode_ns", {10, 20}}, {"k", "decode_ns", {5}}};
        processes.push_back(one);
    }
    store.ingest(campaign, processes);
    EXPECT_EQ(printed("@statistics", TableFormat::csv),
              "source,context,codec_name,component,encodings,decodings,original_bytes,stored_bytes,bytes_saved,"
              "encode_mean_ns,decode_mean_ns,encode_gb_per_s,decode_gb_per_s,relative_error_mean,relative_error_p50,"
              "relative_error_p95,relative_error_p99,relative_error_max\n"
              "tiny,512,int8,k,6,2,400,104,296,20,,,,0.2,0.1,0.5,0.6,0.7\n"
              "tiny,512,int8,kv,10,2,800,,,,,,,,,,,\n");
}

TEST_F(QueryTest, ACampaignThatIsNamedIsTheOneToldOf) {
    auto const first = std::get<std::string>(query(store, "SELECT campaign FROM v_newest").rows[0][0]);
    auto const other = store.begin_campaign(plan({cell("zstd"), cell("gear")}), build("other"), "hw", false).id;
    auto const codecs = [&](std::string const& canned, std::string const& campaign) {
        auto const found = campaign.empty() ? query(store, canned) : query_of_campaign(store, canned, campaign);
        auto const column = std::ranges::find(found.columns, "codec_name") - found.columns.begin();
        std::string names;
        for (auto const& row : found.rows)
            names += std::get<std::string>(row.at(static_cast<std::size_t>(column))) + " ";
        return names;
    };
    EXPECT_EQ(codecs("@cells", ""), "zstd gear ");
    EXPECT_EQ(codecs("@cells", other), "zstd gear ");
    EXPECT_EQ(codecs("@cells", first.substr(0, 8)), "raw fp16 int8 ");
    EXPECT_EQ(codecs("@missing", ""), "int8 zstd gear ");
    EXPECT_EQ(codecs("@missing", first), "int8 ");
    EXPECT_EQ(codecs("@failures", first), "int8 ");
    EXPECT_EQ(codecs("@failures", other), "");
    EXPECT_EQ(query_of_campaign(store, "@campaigns", first).rows.size(), 1U);
    EXPECT_EQ(query_of_campaign(store, "@best-by cosine", first).rows.at(0).at(3), QueryValue("fp16"));
    expect_error<ConfigError>([&] { query_of_campaign(store, "@cells", "nosuch"); },
                              "no campaign has this id: 'nosuch'");
    expect_error<ConfigError>([&] { query_of_campaign(store, "@cells", "nosuch"); },
                              "accepted: " + other + ", " + first);
    expect_error<ConfigError>([&] { query_of_campaign(store, "@hosts", first); }, "not about one campaign");
}

TEST_F(QueryTest, AMetricLayerByLayerIsOverTheHeads) {
    auto one = measurement(cell("raw"));
    one.finished_utc = "2026-02-01T00:00:00.000Z";
    one.profiles = {{"k", "mae", 0, 0, -1, 0.5},  {"k", "mae", 0, 1, -1, 1.5}, {"k", "mae", 1, 0, -1, 0.25},
                    {"k", "mae", -1, -1, 7, 9.0}, {"v", "mae", 0, 0, -1, 3.0}, {"k", "nmse", 0, 0, -1, 4.0}};
    auto const campaign = store.begin_campaign(plan({cell("raw"), cell("fp16"), cell("int8")}), build(), "hw", false);
    store.ingest(campaign, {one});
    execute(store.connection(), "DELETE FROM profile WHERE attempt <> (SELECT max(id) FROM attempt)");
    EXPECT_EQ(printed("@per-layer mae", TableFormat::csv),
              "workload,source,context,codec_name,component,layer,heads,mean,least,most\n"
              "roundtrip,tiny,512,raw,k,0,2,1,0.5,1.5\n"
              "roundtrip,tiny,512,raw,k,1,1,0.25,0.25,0.25\n"
              "roundtrip,tiny,512,raw,v,0,1,3,3,3\n");
}

TEST_F(QueryTest, RegressionsAreThoseOfTheNewestGate) {
    // The gate that ended last was merged in first, and calibrations judge nothing.
    execute(store.connection(),
            "INSERT INTO gate_run SELECT id, 'gate' || id, kind, '', ended, 'ci', '', '', NULL, '', '', 'hw', "
            "'regression', 1 FROM (SELECT 1 AS id, 'run' AS kind, '2026-01-03' AS ended UNION ALL VALUES (2, 'stored', "
            "'2026-01-02'), (3, 'calibration', '2026-01-04')); INSERT INTO decision(gate_run, number, rule, judgement, "
            "why, cell) SELECT g.id, d.column1, 'decode', d.column2, 'slower', (SELECT uid FROM cell WHERE codec = "
            "'raw') FROM gate_run g, (VALUES (1, 'pass'), (2, 'regression')) d");
    auto const found = query(store, "@regressions").rows;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0][0], QueryValue("gate1.2"));
    EXPECT_EQ(found[0][3], QueryValue("tiny"));
}

constexpr char const* sample_rows =
    "SELECT 1 AS n, 2.0 / 3 AS x, 'a,\"b\"' AS t, NULL AS missing UNION ALL SELECT 10, 12345678.9, 'π|' || char(10), "
    "NULL";

TEST_F(QueryTest, Table) {
    EXPECT_EQ(printed(sample_rows, TableFormat::table),
              " n            x  t      missing\n"
              " 1     0.666667  a,\"b\"        -\n"
              "10  1.23457e+07  π|\\n         -\n");
    EXPECT_EQ(printed("SELECT 1 AS a WHERE 0", TableFormat::table), "a\n");
    EXPECT_EQ(printed("SELECT char(27) || '[31m' AS a", TableFormat::table), "a\n\\x1b[31m\n");
}

TEST_F(QueryTest, Csv) {
    EXPECT_EQ(printed(sample_rows, TableFormat::csv),
              "n,x,t,missing\n"
              "1,0.6666666666666666,\"a,\"\"b\"\"\",\n"
              "10,12345678.9,\"π|\n\",\n");
    EXPECT_EQ(printed("SELECT '' AS a, NULL AS b", TableFormat::csv), "a,b\n\"\",\n");
}

TEST_F(QueryTest, JsonAndLines) {
    EXPECT_EQ(printed(sample_rows, TableFormat::jsonl),
              "{\"n\":1,\"x\":0.6666666666666666,\"t\":\"a,\\\"b\\\"\",\"missing\":null}\n"
              "{\"n\":10,\"x\":12345678.9,\"t\":\"π|\\n\",\"missing\":null}\n");
    EXPECT_EQ(Json::parse(printed(sample_rows, TableFormat::json)).size(), 2U);
    EXPECT_EQ(printed("SELECT 1 AS a WHERE 0", TableFormat::json), "[]\n");
    EXPECT_EQ(printed("SELECT 1 AS a, 2 AS a", TableFormat::jsonl), "{\"a\":1,\"a:1\":2}\n");
    EXPECT_EQ(printed("SELECT 9e999 AS a", TableFormat::jsonl), "{\"a\":null}\n");
}

TEST_F(QueryTest, Markdown) {
    EXPECT_EQ(printed(sample_rows, TableFormat::md),
              "|   n |           x | t     | missing |\n"
              "| --: | ----------: | ----- | ------: |\n"
              "|   1 |    0.666667 | a,\"b\" |       - |\n"
              "|  10 | 1.23457e+07 | π\\|\\n |       - |\n");
}

TEST_F(QueryTest, FormatsAreNamed) {
    EXPECT_EQ(table_format_named("jsonl"), TableFormat::jsonl);
    expect_error<ConfigError>([] { table_format_named("cvs"); }, "did you mean 'csv'?");
}

}  // namespace
}  // namespace kvstone
