// How SQLite answers what people ask most: no question walks through all figures or samples of a file, however large.

#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "results/query/best.hpp"
#include "results/query/canned.hpp"
#include "results/query/pareto.hpp"
#include "results/query/query.hpp"
#include "results/query/show.hpp"
#include "results/report/page_data.hpp"
#include "results/verdict/side.hpp"
#include "tests/report/nights.hpp"

namespace kvstone::test {
namespace {

/// Statements that were run, on every connection of the program, while this lives.
class Traced {
  public:
    Traced() {
        statements().clear();
        sqlite3_auto_extension(reinterpret_cast<void (*)()>(trace));
    }
    ~Traced() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(trace)); }
    Traced(Traced const&) = delete;
    Traced& operator=(Traced const&) = delete;
    static std::set<std::string>& statements() {
        static std::set<std::string> all;
        return all;
    }

  private:
    static int trace(sqlite3* connection, char const**, void const*) {
        return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, note, nullptr);
    }
    static int note(unsigned, void*, void* statement, void*) {
        auto const* const sql = sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
        std::string const text = sql == nullptr ? "" : sql;
        auto const first = text.find_first_not_of(" \n");
        if (first != std::string::npos && (text.substr(first, 6) == "SELECT" || text.substr(first, 4) == "WITH"))
            statements().insert(text);
        return 0;
    }
};

/// Tables that a statement walks through from end to end, or all of whose rows it counts: by the program that SQLite
/// makes of it.
std::set<std::string> walked(Store const& store, std::string const& sql) {
    std::map<std::int64_t, std::string> roots;
    for (Statement table(store.connection(), "SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0");
         table.step();)
        roots[table.integer(0)] = table.text(1);
    std::map<std::int64_t, std::string> cursors;
    std::set<std::string> found;
    Statement program(store.connection(), "EXPLAIN " + sql);
    std::vector<std::int64_t> begun;
    while (program.step()) {
        auto const operation = program.text(1);
        if (operation == "OpenRead" && program.integer(4) == 0) cursors[program.integer(2)] = roots[program.integer(3)];
        if (operation == "Rewind" || operation == "Last" || operation == "Count") begun.push_back(program.integer(2));
    }
    for (auto const cursor : begun)
        if (auto const table = cursors.find(cursor); table != cursors.end()) found.insert(table->second);
    return found;
}

class PlansTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder_ = std::make_unique<Folder>();
        write_nights(folder_->file(), {.campaigns = 3, .codecs = 3, .sources = 2, .contexts = 2, .samples = 10});
    }
    static void TearDownTestSuite() { folder_.reset(); }
    static std::string file() { return folder_->file(); }

    /// None of the statements that `ask` runs walks through one of these tables.
    template <class Ask>
    void expect_seeks(char const* what, std::set<std::string> const& tables, Ask ask) {
        {
            Traced const traced;
            ask();
        }
        EXPECT_FALSE(Traced::statements().empty()) << what;
        auto const store = Store::open_read_only(file());
        for (auto const& sql : Traced::statements())
            for (auto const& table : walked(store, sql)) EXPECT_FALSE(tables.contains(table)) << what << ": " << sql;
    }

    static std::set<std::string> largest() { return {"figure", "sample_block", "combined", "profile"}; }
    /// Those with rows of all campaigns.
    static std::set<std::string> of_attempts() { return {"figure", "sample_block", "combined", "profile", "attempt"}; }

    static inline std::unique_ptr<Folder> folder_;
};

TEST_F(PlansTest, AWalkIsSeen) {
    auto const store = Store::open_read_only(file());
    EXPECT_EQ(walked(store, "SELECT count(*) FROM sample"), std::set<std::string>{"sample_block"});
    EXPECT_EQ(walked(store, "SELECT count(*) FROM figure"), std::set<std::string>{"figure"});
    EXPECT_TRUE(walked(store, "SELECT max(uid) FROM attempt WHERE finished_utc > ''").contains("attempt"));
    EXPECT_TRUE(walked(store, "SELECT sum(value) FROM v_value WHERE metric = 1 AND n > 0").contains("outcome"));
    EXPECT_TRUE(walked(store, "SELECT value FROM figure WHERE attempt = 1 AND metric = 1").empty());
}

TEST_F(PlansTest, VerbsAboutOneCampaignSeekItsRows) {
    // Where a node has drifted, `show` asks for attempts of earlier campaigns on it.
    expect_seeks("show", largest(), [&] {
        std::ostringstream out;
        show_summary(Store::open_read_only(file()), out);
    });
    expect_seeks("show --pareto", of_attempts(), [&] {
        std::ostringstream out;
        show_pareto(Store::open_read_only(file()), out, {});
    });
    expect_seeks("show --best", of_attempts(),
                 [&] { best_rows(Store::open_read_only(file()), parse_constraints("nmse < 0.1"), {}); });
    expect_seeks("compare", of_attempts(), [&] { read_sides(file(), "0000000000000000000000000000000000000001", {}); });
    for (auto const* name : {"@latest", "@best", "@best-by nmse", "@statistics", "@codec codec01", "@cells", "@engines",
                             "@published", "@targets", "@per-layer mae"})
        expect_seeks(name, of_attempts(), [&] { query(Store::open_read_only(file()), name); });
}

TEST_F(PlansTest, NothingWalksThroughFiguresAndSamples) {
    expect_seeks("report", largest(), [&] { page_data(Store::open_read_only(file()), {}); });
    expect_seeks("show --history", largest(), [&] { history_rows(Store::open_read_only(file()), "nmse"); });
    expect_seeks("v_pareto", largest(), [&] { query(Store::open_read_only(file()), "SELECT * FROM v_pareto"); });
    expect_seeks("v_pareto_total", largest(),
                 [&] { query(Store::open_read_only(file()), "SELECT * FROM v_pareto_total"); });
    for (auto const& canned : canned_queries()) {
        std::string const words = canned.parameters.empty()       ? ""
                                  : canned.parameters == "METRIC" ? " nmse"
                                  : canned.parameters == "NAME"   ? " codec01"
                                                                  : " 0000000000000001 decode_ns";
        expect_seeks("a canned query", largest(),
                     [&] { query(Store::open_read_only(file()), fmt::format("@{}{}", canned.name, words)); });
    }
}

TEST_F(PlansTest, AHistoryReadsOneMetric) {
    auto const store = Store::open_read_only(file());
    auto const steps = [&](char const* condition) {
        Statement statement(store.connection(), fmt::format("SELECT * FROM v_history WHERE {}", condition));
        while (statement.step()) {
        }
        return sqlite3_stmt_status(statement.handle(), SQLITE_STMTSTATUS_VM_STEP, 0);
    };
    EXPECT_LT(10 * steps("metric = 'nmse'"), steps("metric <> ''"));
}

}  // namespace
}  // namespace kvstone::test
