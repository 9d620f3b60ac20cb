// Results as other tools read them.

#include "results/query/export.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <streambuf>

#include <gmock/gmock.h>

#include "results/query/canned.hpp"
#include "results/query/query.hpp"
#include "scenarios/errors.hpp"
#include "tests/report/nights.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class Export : public testing::Test {
  protected:
    void SetUp() override {
        auto plan = test::plan({test::cell("int8"), test::cell("fp16"), test::cell("raw"), test::cell("zstd")}, 2);
        plan.cells[0].codec_name = test::hostile_name;
        plan.targets.push_back({{{"codec", "fp16"}}, "k", "cosine", 0.9, std::nullopt, "us"});
        auto store = Store::open(folder_.file());
        auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
        for (int process = 0; process < 2; ++process) {
            auto odd = test::measurement(plan.cells[0], Status::ok, std::nan(""), process);
            auto crashed = test::measurement(plan.cells[2], Status::crash, 0, process);
            crashed.reason = "signal 11 <&>";
            crashed.stderr_tail =
                "a\x01"
                "b]]>";
            store.ingest(campaign, {odd, test::measurement(plan.cells[1], Status::ok, 0.75, process), crashed});
        }
    }
    std::string exported(std::string const& format) const {
        std::ostringstream out;
        export_campaign(Store::open_read_only(folder_.file()), out, export_format_named(format), "");
        return out.str();
    }
    test::Folder folder_;
};

/// Descriptions of everything in the file, and queries that Datasette can run: it binds what it finds in a form's fields.
TEST_F(Export, DatasetteIsToldEveryTableAndQuery) {
    auto const store = Store::open_read_only(folder_.file());
    auto const all = Json::parse(exported("datasette"));
    ASSERT_EQ(all["databases"].size(), 1U);
    auto const& database = all["databases"].front();
    EXPECT_EQ(all["databases"].begin().key(), std::filesystem::path(folder_.file()).stem().string());
    for (auto const& row : query(store,
                                 "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT "
                                 "LIKE 'sqlite_%'")
                               .rows) {
        auto const name = std::get<std::string>(row[0]);
        EXPECT_TRUE(database["tables"].contains(name)) << name;
        EXPECT_FALSE(database["tables"].value(name, Json::object()).value("description", "").empty()) << name;
    }
    EXPECT_EQ(database["queries"].size(), canned_queries().size());
    for (auto const& canned : canned_queries()) {
        auto const sql = database["queries"].at(std::string(canned.name)).at("sql").get<std::string>();
        EXPECT_THAT(sql, testing::Not(testing::AnyOf(HasSubstr(":newest"), HasSubstr(":campaign")))) << canned.name;
        // The fields of its form, and no others.
        std::istringstream words{std::string(canned.parameters)};
        std::vector<QueryValue> const fields(
            static_cast<std::size_t>(std::distance(std::istream_iterator<std::string>(words), {})), "x");
        EXPECT_NO_THROW(query(store, sql, fields)) << canned.name;
    }
    EXPECT_EQ(query(store, database["queries"]["latest"]["sql"].get<std::string>()).rows.size(),
              query(store, "@latest").rows.size());
}

TEST_F(Export, RowsHaveNullForWhatIsNotFinite) {
    auto const lines = exported("jsonl");
    std::istringstream in(lines);
    int rows = 0, nulls = 0;
    for (std::string line; std::getline(in, line); ++rows) {
        auto const row = Json::parse(line);
        nulls += row["metric"] == "cosine" && row["value"].is_null() ? 1 : 0;
    }
    EXPECT_EQ(rows, 3 + 3 + 1);
    EXPECT_EQ(nulls, 1);
    EXPECT_THAT(exported("csv"), HasSubstr(",cosine,1,higher,,"));
    for (auto const* format : {"csv", "jsonl", "google-benchmark", "junit"})
        EXPECT_THAT(exported(format), testing::Not(testing::ContainsRegex("[ :,\"][nN]a[nN][ ,\"]"))) << format;
}

TEST_F(Export, GoogleBenchmarkHasEverySampleAsARepetition) {
    auto const json = Json::parse(exported("google-benchmark"));
    EXPECT_EQ(json["context"]["library_build_type"], "release");
    EXPECT_EQ(json["context"]["num_cpus"], 0);
    std::map<std::string, std::vector<double>> times;
    int errors = 0;
    for (auto const& entry : json["benchmarks"]) {
        if (entry.contains("error_occurred")) {
            ++errors;
            EXPECT_THAT(entry["error_message"], HasSubstr("crash: signal 11"));
            continue;
        }
        EXPECT_EQ(entry["time_unit"], "ns");
        EXPECT_EQ(entry["repetitions"], 6);
        EXPECT_EQ(entry["repetition_index"], times[entry["name"]].size());
        times[entry["name"]].push_back(entry["real_time"]);
    }
    EXPECT_EQ(errors, 2);
    EXPECT_EQ(times.size(), 2);
    EXPECT_EQ(times["roundtrip/tiny/context:512/fp16/openmp/kv/encode_ns"],
              (std::vector<double>{900, 1000, 1100, 900, 1000, 1100}));
}

TEST_F(Export, JUnitTellsErrorsFailuresAndWhatWasNeverTried) {
    auto const xml = exported("junit");
    EXPECT_THAT(xml, HasSubstr("tests=\"4\" failures=\"1\" errors=\"2\" skipped=\"0\""));
    EXPECT_THAT(xml, HasSubstr("name=\"&lt;/script&gt;&lt;img src=x onerror=&quot;throw 1&quot;&gt;|&amp;'\\\""));
    EXPECT_THAT(xml, HasSubstr("<error type=\"crash\" message=\"signal 11 &lt;&amp;&gt;\">a?b]]&gt;</error>"));
    EXPECT_THAT(xml, HasSubstr("<failure type=\"ok\" message=\"cosine of k is 0.75, wanted at least 0.9\">"));
    EXPECT_THAT(xml, HasSubstr("<error type=\"missing\""));
}

/// Counts the bytes that it gets.
class Counter : public std::streambuf {
  public:
    std::size_t bytes = 0, lines = 0;

  protected:
    int_type overflow(int_type c) override {
        ++bytes;
        lines += c == '\n' ? 1 : 0;
        return c;
    }
    std::streamsize xsputn(char const* text, std::streamsize size) override {
        bytes += static_cast<std::size_t>(size);
        lines += static_cast<std::size_t>(std::count(text, text + size, '\n'));
        return size;
    }
};

TEST_F(Export, MoreThanFitsIntoMemoryIsWrittenRowByRow) {
    // The results of queries end at 512 MiB; a name of 24 MB in each of 24 rows is more.
    auto wide = test::cell("wide");
    wide.codec_name = std::string(24'000'000, 'x');
    auto plan = test::plan({wide});
    auto many = test::measurement(wide);
    many.figures.clear();
    for (auto const* metric : {"mae", "rmse", "nmse", "cosine", "ppl", "acc", "hit_rate", "encode_ns"})
        for (auto const* component : {"k", "v", "kv"}) many.figures.push_back({component, metric, 1.0, 1, {}, {}});
    {
        auto store = Store::open(folder_.file());
        store.ingest(store.begin_campaign(plan, test::build(), "hw", false), {many});
    }
    auto const store = Store::open_read_only(folder_.file());
    for (auto const format : {ExportFormat::csv, ExportFormat::jsonl}) {
        Counter counter;
        std::ostream out(&counter);
        export_campaign(store, out, format, "");
        EXPECT_EQ(counter.lines, format == ExportFormat::csv ? 25 : 24);
        EXPECT_GT(counter.bytes, std::size_t{512} << 20);
    }
    test::expect_error<ConfigError>([&] { query(store, "@latest"); }, "larger than 512 MiB");
}

TEST_F(Export, AnUnknownFormatIsRefused) {
    test::expect_error<ConfigError>([&] { exported("xml"); }, "google-benchmark");
}

}  // namespace
}  // namespace kvstone
