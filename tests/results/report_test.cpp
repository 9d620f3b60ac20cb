// The page: its data, its size, and names that want to be more than names.

#include "results/report/report.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <tuple>

#include <gmock/gmock.h>

#include "results/query/candidates.hpp"
#include "results/query/show_text.hpp"
#include "results/report/assets.hpp"
#include "results/report/page_data.hpp"
#include "results/report/quantiles.hpp"
#include "results/report/table.hpp"
#include "results/report/tails.hpp"
#include "results/report/verdicts.hpp"
#include "scenarios/errors.hpp"
#include "tests/report/nights.hpp"
#include "tests/report/weights.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;

class Report : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder_ = new test::Folder;
        test::write_nights(folder_->file(), nights_);
    }
    static void TearDownTestSuite() { delete folder_; }

    static Store open() { return Store::open_read_only(folder_->file()); }
    static std::string page(ReportOptions options) {
        options.name = test::hostile_name;
        std::ostringstream out;
        write_html_report(open(), out, options);
        return out.str();
    }
    static Json data_of(std::string const& page) {
        constexpr std::string_view begin = "<script id=\"data\" type=\"application/json\">";
        auto const from = page.find(begin) + begin.size();
        return Json::parse(page.substr(from, page.find("</script>", from) - from));
    }
    void SetUp() override {
        if (!has_charts()) GTEST_SKIP() << "this build has no chart library";
    }

    static constexpr test::Nights nights_{
        .campaigns = 4, .codecs = 6, .sources = 2, .contexts = 3, .metrics_per_component = 5, .samples = 11};
    static inline test::Folder* folder_ = nullptr;
};

TEST_F(Report, HoldsEveryResultByColumns) {
    auto const data = data_of(page({}));
    auto const rows = data["rows"]["cell"].size();
    EXPECT_EQ(rows, 4 * (6 * 2 * 3 - 1));
    for (auto const& [name, column] : data["rows"].items()) EXPECT_EQ(column.size(), rows) << name;
    for (auto const& [name, column] : data.items())
        if (name.size() > 1 && name.size() < 4 && std::string("vlhq").find(name[0]) != std::string::npos) {
            EXPECT_EQ(column.size(), rows) << name;
        }
    EXPECT_EQ(data["campaigns"].size(), 4);
    EXPECT_EQ(data["missing_count"], 4);
    EXPECT_EQ(data["environment"].size(), 1);  // the commit
    EXPECT_TRUE(data["notes"].empty());
    EXPECT_FALSE(data.contains("totals")) << "no weights are compared";
    EXPECT_TRUE(data["positions"].empty());
    // The newest campaign comes first, and holds the figures of its cells.
    EXPECT_EQ(data["rows"]["campaign"][0], 3);
    EXPECT_EQ(data["metrics"][0]["name"], "bits_per_value");
    EXPECT_EQ(data["v0"][1], 3.0);
}

TEST_F(Report, NamesStayNames) {
    auto const text = page({});
    auto const begin = text.find("<script id=\"data\"");
    // The program's own text closes each of its scripts once.
    std::size_t closed = 0;
    for (auto at = text.find("</script", begin); at != std::string::npos; at = text.find("</script", at + 1)) ++closed;
    EXPECT_EQ(closed, 3);
    EXPECT_THAT(text, Not(HasSubstr("<img")));
    EXPECT_EQ(data_of(text)["name"], test::hostile_name);
    EXPECT_EQ(data_of(text)["texts"]["codec"][0], test::hostile_name);
    EXPECT_EQ(text.find("{{"), text.find("{{", text.find(chart_library()))) << "a part of the page is not filled in";
    // Nothing but the page itself is asked for.
    EXPECT_THAT(text.substr(0, begin), HasSubstr("default-src 'none'"));
}

TEST_F(Report, LeavesOutWhatHasNoRoomAndSaysSo) {
    auto const whole = page({});
    auto const small = page({.limit_bytes = 26'000});
    EXPECT_LT(small.size(), whole.size());
    auto const data = data_of(small);
    EXPECT_LE(data.dump().size(), 27'000);
    EXPECT_TRUE(data.contains("v0")) << "what people ask for first stays";
    EXPECT_THAT(data["notes"].dump(), HasSubstr("columns of figures are not in this page"));
}

/// Rows alone would fill the page of a year.
TEST_F(Report, LeavesOutOldRowsBeforeTheirFigures) {
    auto const data = data_of(page({.limit_bytes = 24'000}));
    auto const rows = data["rows"]["cell"].size();
    EXPECT_LT(rows, 4 * (6 * 2 * 3 - 1));
    EXPECT_GT(rows, 6 * 2 * 3 - 1);
    EXPECT_EQ(data["rows"]["campaign"][0], 3) << "the newest stay";
    EXPECT_EQ(data["v0"].size(), rows);
    EXPECT_THAT(data["notes"].dump(), HasSubstr("older results are not in this page"));
}

TEST_F(Report, ShowsOneCampaignWhereAsked) {
    auto const campaign = test::text(open(), "SELECT uid FROM campaign ORDER BY started_utc LIMIT 1");
    auto const data = data_of(page({.campaign = campaign}));
    EXPECT_EQ(data["campaigns"].size(), 1);
    EXPECT_EQ(data["rows"]["cell"].size(), 6 * 2 * 3 - 1);
}

TEST_F(Report, MarksWhereALevelMoved) {
    // Bits never change, and four nights are too few for timings.
    EXPECT_TRUE(data_of(page({}))["moves"].empty());
}

TEST_F(Report, MarkdownTellsTheSame) {
    std::ostringstream out;
    write_markdown_report(open(), out, {.name = "nights.db"});
    EXPECT_THAT(out.str(), HasSubstr("# KVstone: nights.db\n"));
    EXPECT_THAT(out.str(), HasSubstr("## roundtrip  model1  512 tokens  openmp\n"));
    EXPECT_THAT(out.str(), HasSubstr("beaten by "));
    EXPECT_THAT(out.str(), HasSubstr("</script><img src=x onerror=\"throw 1\">\\|&'"));
    EXPECT_THAT(out.str(), HasSubstr("| build | git_sha |"));
    EXPECT_THAT(out.str(), Not(HasSubstr("Tails"))) << "no model answered";
}

TEST(ReportVerdicts, AreShownWhereThereAreGates) {
    test::Folder const folder;
    auto store = Store::open(folder.file());
    // In the columns that reports read; a database without gates has no such tables.
    if (gate_verdicts(store).columns.empty())
        execute(store.connection(),
                "CREATE TABLE gate_run(id INTEGER PRIMARY KEY, uid, kind, started_utc, finished_utc, policy_name, "
                "policy_path, policy, head, settings, hardware_class, judgement, exit_code); CREATE TABLE "
                "decision(gate_run, number, rule, codec_name, component, metric, base, head, change, low, high, "
                "detectable, "
                "judgement, why, waiver)");
    execute(
        store.connection(),
        "INSERT INTO gate_run(id, uid, kind, started_utc, finished_utc, policy_name, policy_path, policy, head, "
        "settings, hardware_class, judgement, exit_code) VALUES (1, 'g', 'run', '', '2026-03-02', 'ci', '', '', '', "
        "'', 'hw', 'regression', 1); INSERT INTO decision(gate_run, number, rule, judgement, why) VALUES (1, 1, 'a', "
        "'pass', 'x'), (1, 2, 'b', 'regression', 'y')");
    auto const outcome = gate_verdicts(store);
    ASSERT_EQ(outcome.rows.size(), 2);
    EXPECT_EQ(std::get<std::string>(outcome.rows[0][2]), "regression");
    auto const plan = test::plan({test::cell("int4")});
    store.begin_campaign(plan, test::build(), "hw", false);
    std::ostringstream out;
    write_markdown_report(store, out, {.name = "x"});
    EXPECT_THAT(out.str(), HasSubstr("## Verdicts of gates"));
}

TEST(ReportCurves, HaveTheRatioOfEveryTextAndLength) {
    test::Folder const folder;
    auto store = Store::open(folder.file());
    std::map<std::tuple<std::string, std::string, std::uint64_t>, double> expected;
    std::vector<Cell> cells;
    std::vector<Measurement> measurements;
    for (auto const* codec : {"fp16 | zstd", "fp16 | gear"})
        for (auto const* text : {"stories", "code"})
            for (std::uint64_t const length : {128, 1024, 4096}) {
                auto cell = test::cell(codec, length);
                cell.source_name = text;
                cell.source["text_sha256"] = text;
                cell.id = fmt::format("{:016}", cells.size());
                cell.canonical = fmt::format(R"({{"cell":{}}})", cells.size());
                auto m = test::measurement(cell);
                auto const ratio = 1 + static_cast<double>(cells.size()) / 16;  // the page has six digits
                m.figures = {{"k", "ratio_vs_fp16", ratio + 1, 1, {}, {}},
                             {"v", "ratio_vs_fp16", ratio - 1, 1, {}, {}},
                             {"kv", "ratio_vs_fp16", ratio, 1, {}, {}},
                             {"kv", "nmse", 0, 1, {}, {}}};
                expected[{codec, text, length}] = ratio;
                cells.push_back(std::move(cell));
                measurements.push_back(std::move(m));
            }
    store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measurements);
    auto const data = Json::parse(page_data(store, {}));
    auto const& rows = data["rows"];
    std::size_t column = 0;
    while (data["metrics"][column]["name"] != "ratio_vs_fp16" || data["metrics"][column]["component"] != "") ++column;
    std::map<std::tuple<std::string, std::string, std::uint64_t>, double> found;
    for (std::size_t row = 0; row < rows["cell"].size(); ++row) {
        auto const text = [&](char const* name) {
            return data["texts"][name][rows[name][row].get<std::size_t>()].get<std::string>();
        };
        found[{text("codec"), text("source"), rows["context"][row].get<std::uint64_t>()}] =
            data[fmt::format("v{}", column)][row].get<double>();
    }
    EXPECT_EQ(found, expected);
}

TEST(ReportWeights, AreThePairsThatAreComparedWithOneReference) {
    test::Folder const folder;
    test::write_weights(folder.file());
    auto const store = Store::open_read_only(folder.file());
    auto const data = Json::parse(page_data(store, {}));
    ASSERT_EQ(data["totals"].size(), 2 * 3 * 4);
    std::map<std::string, std::size_t> peers;
    for (auto const& total : data["totals"]) {
        auto const id = std::stoul(total["cell"].get<std::string>());
        auto const expected = test::weights_figures(id / 4 % 3, id % 4, test::weights_contexts[id / 12]);
        EXPECT_EQ(total["source"], fmt::format("weights{}", id / 4 % 3));
        auto const is = [&](char const* name, double bytes) {
            EXPECT_NEAR(total[name].get<double>(), bytes, 5e-6 * bytes) << name;  // the page has six digits
        };
        is("weights_bytes", expected.weights_bytes);
        is("cache_bytes", expected.cache_bytes);  // of one passage
        is("total_bytes", expected.weights_bytes + expected.cache_bytes + expected.compute_bytes);
        ++peers[total["peers"].get<std::string>()];
    }
    EXPECT_THAT(peers, testing::ElementsAre(testing::Pair(testing::_, 12), testing::Pair(testing::_, 12)))
        << "one contest a context";
    // One file of weights leaves nothing to compare.
    auto writable = Store::open(folder.file());
    execute(writable.connection(),
            "UPDATE attempt SET status = 'crash' WHERE cell IN (SELECT id FROM cell WHERE "
            "source_name <> 'weights0')");
    EXPECT_TRUE(Json::parse(page_data(writable, {}))["totals"].empty());
}

/// The cells of write_weights() by p99.9, the one without it last.
std::vector<std::size_t> cells_by_tail() {
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < 24; ++i) {
        auto const context = test::weights_contexts[i / 12];
        bool const lacks = test::lacks_p999(i / 4 % 3, i % 4, context);
        order.emplace_back(lacks ? INFINITY : test::weights_figures(i / 4 % 3, i % 4, context).p999, i);
    }
    std::ranges::stable_sort(order, {}, [](auto const& of) { return of.first; });
    std::vector<std::size_t> cells;
    for (auto const& [p999, i] : order) cells.push_back(i);
    return cells;
}

TEST(ReportTails, AreATableSortedByTheWorstOfAThousandTokens) {
    test::Folder const folder;
    test::write_weights(folder.file());
    auto const store = Store::open_read_only(folder.file());
    auto const [tails, notes] = read_tails(store, campaign_meant(store, ""));
    EXPECT_THAT(tails.columns, testing::ElementsAre("cell", "codec", "KLD mean", "p99", "p99.9", "max", "above 0.1 nat",
                                                    "mean of digits", "max from token", "passages"))
        << "columns that no cell has are left out";
    ASSERT_EQ(tails.rows.size(), 24);
    EXPECT_THAT(notes, testing::ElementsAre(doubt_of_passages(4), HasSubstr("1,000 scored tokens")));
    auto const order = cells_by_tail();
    for (std::size_t place = 0; place < order.size(); ++place) {
        auto const i = order[place];
        auto const context = test::weights_contexts[i / 12];
        auto const expected = test::weights_figures(i / 4 % 3, i % 4, context);
        auto const& row = tails.rows[place];
        auto const with_interval = [](double value, double low, double high) {
            return QueryValue(fmt::format("{:.3g} ({:.3g}..{:.3g})", value, low, high));
        };
        EXPECT_EQ(row[0], QueryValue(fmt::format("model {{\"protocol\":\"inline\"}}  weights{}  {} tokens  openmp",
                                                 i / 4 % 3, context)));
        EXPECT_EQ(row[1], QueryValue(std::string(test::weights_codecs[i % 4])));
        EXPECT_EQ(row[2], with_interval(expected.kld, expected.kld * 0.9, expected.kld * 1.1));
        EXPECT_EQ(row[5], with_interval(expected.p999 * 2, expected.p999, expected.p999 * 2));
        EXPECT_EQ(row[7], QueryValue(fmt::format("{:.3g}", expected.kld * 2)));
        // Where all are 0, the first position has as large a divergence as any.
        EXPECT_EQ(row[8], QueryValue(expected.p999 > 0 ? test::largest_kld_at : std::int64_t{512}));
        bool const lacks = place == 23;
        EXPECT_EQ(row[4],
                  lacks ? QueryValue(nullptr) : with_interval(expected.p999, expected.p999 / 2, expected.p999 * 2));
        EXPECT_EQ(row[9], QueryValue(std::int64_t{4}));
    }
    std::ostringstream out;
    write_markdown_report(store, out, {.name = "x"});
    EXPECT_THAT(out.str(), HasSubstr("\n## Tails\n\n| cell "));
    EXPECT_THAT(out.str(), HasSubstr(" |\n\nNote: the interval comes from 4 passage(s)"));
}

TEST(ReportTails, LieAlongPositionsInThePage) {
    test::Folder const folder;
    test::write_weights(folder.file());
    auto const data = Json::parse(page_data(Store::open_read_only(folder.file()), {}));
    EXPECT_EQ(data["positions"], Json::parse(R"([{"metric": "kld_max", "component": "kv"}])"));
    EXPECT_EQ(data["passage_doubts"], Json({{"4", doubt_of_passages(4)}}));
    auto const& rows = data["rows"]["cell"];
    ASSERT_EQ(data["p0"].size(), rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        auto const i = std::stoul(data["texts"]["cell"][rows[row].get<std::size_t>()].get<std::string>());
        auto const expected = test::weights_figures(i / 4 % 3, i % 4, test::weights_contexts[i / 12]);
        ASSERT_EQ(data["p0"][row].size(), 8);
        for (std::size_t bin = 0; bin < 4; ++bin) {
            EXPECT_EQ(data["p0"][row][2 * bin], 512 + 64 * bin);
            auto const value = bin == 2 ? expected.p999 * 2 : expected.kld;
            EXPECT_NEAR(data["p0"][row][2 * bin + 1].get<double>(), value, 5e-6 * value);  // the page has six digits
        }
    }
    // A limit that leaves no room for them is told.
    EXPECT_THAT(Json::parse(page_data(Store::open_read_only(folder.file()), {.limit_bytes = 12'000}))["notes"].dump(),
                HasSubstr("metrics along positions are not in this page"));
}

TEST(ReportTable, TakesTheWorseOfKAndVAndEveryProcess) {
    test::Folder const folder;
    auto store = Store::open(folder.file());
    auto const plan = test::plan({test::cell("int4")}, 2);
    auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
    store.ingest(campaign, {test::measurement(plan.cells[0], Status::ok, 0.75, 0),
                            test::measurement(plan.cells[0], Status::ok, 0.75, 1)});
    auto const table = read_report_table(store, "", 1000);
    ASSERT_EQ(table.rows.size(), 1);
    std::map<std::string, double> figures;
    for (auto const& column : table.columns)
        figures[std::string(column.metric->name) + column.component] = column.values[0];
    EXPECT_EQ(figures["cosine"], 0.5);  // v's: higher is better
    EXPECT_EQ(figures["cosinek"], 0.75);
    EXPECT_EQ(figures["encode_ns"], 1500);
    auto const quantiles = read_quantiles(store, table);
    ASSERT_EQ(quantiles.size(), 1);
    EXPECT_EQ(quantiles[0].rows[0], (std::vector<double>{6, 900, 900, 925, 1000, 1075, 1100, 1100}));
}

}  // namespace
}  // namespace kvstone
