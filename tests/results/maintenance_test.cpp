// Merging, checking, copying and pruning database files.

#include "results/store/maintenance.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include "results/query/query.hpp"
#include "results/store/table_links.hpp"
#include "scenarios/errors.hpp"
#include "tests/report/nights.hpp"

namespace kvstone {
namespace {

using test::expect_error;
using test::number;

/// All rows of a file's views, without the numbers that the file gives itself.
std::string told(Store const& store) {
    std::ostringstream out;
    for (auto const* sql :
         {"SELECT * FROM v_latest ORDER BY campaign, cell, component, metric",
          "SELECT * FROM v_missing ORDER BY 1, 2, 3",
          "SELECT * FROM v_profile ORDER BY campaign, cell, component, metric, layer, head",
          "SELECT campaign, cell, codec_name, component, metric, theirs FROM v_published ORDER BY 1, 2, 3, 4, 5",
          "SELECT campaign, cell, component, metric, at_least, verdict FROM v_targets ORDER BY 1, 2, 3, 4",
          "SELECT a.uid, m.name, s.component, s.position, s.value FROM sample s JOIN attempt a ON a.id = s.attempt "
          "JOIN "
          "metric m ON m.id = s.metric ORDER BY 1, 2, 3, 4"})
        print(out, query(store, sql), TableFormat::jsonl);
    return out.str();
}

class Maintenance : public testing::Test {
  protected:
    /// Half of a plan of three processes measured on each of two machines, which number everything in another order.
    void SetUp() override {
        auto plan = test::plan({test::cell("int8"), test::cell("fp16"), test::cell("raw")}, 3);
        plan.published.push_back({{{"codec", "int8"}}, "k", "cosine", 0.9, "a study", "exact"});
        plan.targets.push_back({{{"codec", "int8"}}, "k", "cosine", 0.7, std::nullopt, "us"});
        for (int machine = 0; machine < 2; ++machine) {
            auto store = Store::open(file(machine));
            if (machine == 1) {
                auto const other = test::plan({test::cell("zstd", 64)});
                auto const first = store.begin_campaign(other, test::build("f00d"), "hw", false);
                store.ingest(first, {test::measurement(other.cells[0])});
            }
            auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
            for (int process = 0; process < 3; ++process)
                for (std::size_t i = 0; i < 3; ++i) {
                    if (static_cast<int>(i + static_cast<std::size_t>(process)) % 2 != machine) continue;
                    auto m = test::measurement(plan.cells[i], Status::ok, 0.75, process);
                    m.host["name"] = fmt::format("node{}", machine);
                    store.ingest(campaign, {m});
                }
        }
    }
    std::string file(int machine) const { return folder_.file(fmt::format("machine{}.db", machine)); }
    test::Folder folder_;
};

TEST_F(Maintenance, MergingTwiceOrTheOtherWayRoundIsMergingOnce) {
    std::string once, twice, other_way;
    {
        auto store = Store::open(folder_.file("a.db"));
        EXPECT_EQ(merge(store, file(0)).campaigns, 1);
        auto const second = merge(store, file(1));
        EXPECT_EQ(second.campaigns, 1);
        EXPECT_EQ(second.attempts, 1 + 4);
        once = told(store);
        auto const again = merge(store, file(0));
        EXPECT_EQ(again.campaigns + again.attempts, 0);
        merge(store, file(1));
        twice = told(store);
        EXPECT_TRUE(check(store).empty());
        EXPECT_EQ(number(store, "SELECT count(*) FROM published"), 1);
        EXPECT_EQ(number(store, "SELECT count(*) FROM target_cell"), 1);
        // A cell whose processes came from two machines has figures over all of them, which neither had.
        EXPECT_EQ(number(store, "SELECT value FROM v_latest WHERE codec = 'int8' AND metric = 'encode_ns'"), 2000);
    }
    {
        auto store = Store::open(folder_.file("b.db"));
        merge(store, file(1));
        merge(store, file(0));
        other_way = told(store);
    }
    EXPECT_EQ(once, twice);
    EXPECT_EQ(once, other_way);
    EXPECT_GT(std::ranges::count(once, '\n'), 40);
}

TEST_F(Maintenance, NothingOfAMergeStaysWhereItFails) {
    std::ofstream(folder_.file("broken.db")) << std::string(8192, 'x');
    auto store = Store::open(file(0));
    auto const before = told(store);
    auto const files = folder_.files();
    expect_error<ConfigError>([&] { merge(store, folder_.file("broken.db")); }, "broken.db");
    expect_error<ConfigError>([&] { merge(store, folder_.file("nowhere.db")); }, "nowhere.db");
    EXPECT_EQ(told(store), before);
    EXPECT_EQ(folder_.files(), files);
}

TEST_F(Maintenance, CheckFindsADamagedPage) {
    {
        EXPECT_TRUE(check(Store::open_read_only(file(1))).empty());
    }
    std::fstream bytes(file(1), std::ios::in | std::ios::out | std::ios::binary);
    // Page 1 holds the schema, which opening reads; each of the others matters to a check.
    auto const pages = static_cast<int>(std::filesystem::file_size(file(1)) / 4096);
    int found = 0;
    for (int page = 1; page < pages; ++page) {
        std::string kept(64, '\0');
        bytes.seekg(page * 4096);
        bytes.read(kept.data(), 64);
        bytes.seekp(page * 4096);
        bytes.write(std::string(64, '\x7f').data(), 64);
        bytes.flush();
        try {
            found += check(Store::open_read_only(file(1))).empty() ? 0 : 1;
        } catch (std::runtime_error const&) {
            ++found;  // so damaged that it does not open
        }
        bytes.seekp(page * 4096);
        bytes.write(kept.data(), 64);
        bytes.flush();
    }
    EXPECT_EQ(found, pages - 1);
    EXPECT_TRUE(check(Store::open_read_only(file(1))).empty());
}

TEST_F(Maintenance, CheckFindsBrokenReferences) {
    auto const store = Store::open(file(0));
    execute(store.connection(), "PRAGMA foreign_keys = OFF; DELETE FROM host");
    EXPECT_THAT(check(store), testing::Contains(testing::HasSubstr("table attempt")));
}

TEST_F(Maintenance, ABackupIsWholeAndNeverInTheWay) {
    auto const writer = Store::open(file(1));
    backup(writer, folder_.file("copy.db"));
    EXPECT_EQ(told(Store::open_read_only(folder_.file("copy.db"))), told(writer));
    expect_error<ConfigError>([&] { backup(writer, folder_.file("copy.db")); }, "exists");
}

TEST_F(Maintenance, PruningTakesACampaignWithAllThatIsItsOwn) {
    auto store = Store::open(folder_.file("all.db"));
    merge(store, file(0));
    auto const kept = told(store);
    merge(store, file(1));
    auto const id =
        test::text(store, "SELECT uid FROM campaign c JOIN build b ON b.id = c.build WHERE git_sha = 'f00d'");
    EXPECT_EQ(prunable(store, {{}, "2020-01-01"}).size(), 0);
    EXPECT_EQ(prunable(store, {{}, "2999-01-01"}).size(), 2);
    auto const removed = prune(store, {{id}, ""});
    ASSERT_EQ(removed.size(), 1);
    EXPECT_EQ(removed[0].attempts, 1);
    EXPECT_TRUE(check(store).empty());
    EXPECT_EQ(number(store, "SELECT count(*) FROM build"), 1);
    EXPECT_EQ(number(store, "SELECT count(*) FROM cell WHERE codec = 'zstd'"), 0);
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), 9);
    prune(store, {{}, "2999-01-01"});
    for (auto const& table : read_table_links(store.connection()))
        if (table.name != "metric") {
            EXPECT_EQ(number(store, "SELECT count(*) FROM " + table.name), 0) << table.name;
        }
}

}  // namespace
}  // namespace kvstone
