// The schema, its versions and its notes.

#include "results/store/schema.hpp"

#include <set>

#include <gmock/gmock.h>

#include "results/record/metrics.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::number;

std::set<std::string> column_of(Store const& store, std::string const& sql) {
    std::set<std::string> values;
    Statement statement(store.connection(), sql);
    while (statement.step()) values.insert(statement.text(0));
    return values;
}

TEST(SchemaTest, ANewFileCarriesItsMarks) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    EXPECT_EQ(number(store, "PRAGMA application_id"), 0x4B567374);
    EXPECT_EQ(number(store, "PRAGMA user_version"), schema_version());
    EXPECT_EQ(number(store, "PRAGMA foreign_keys"), 1);
    EXPECT_EQ(number(store,
                     "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
                     "AND NOT strict"),
              0);
}

TEST(SchemaTest, EveryTableAndColumnIsDescribedAndNothingElse) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    std::set<std::string> described;
    for (auto const& note : notes()) {
        EXPECT_FALSE(note.text.empty());
        auto const name = fmt::format("{}.{}", note.table, note.column);
        EXPECT_TRUE(described.insert(name).second) << name << " is described twice";
    }
    auto const existing =
        column_of(store,
                  "SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) "
                  "c WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' UNION SELECT name || '.' "
                  "FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'");
    // Of views, too: a column of `v_latest` cannot be guessed from the name of a table's.
    EXPECT_EQ(described, existing);
    EXPECT_TRUE(existing.contains("v_latest.ci_low"));
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_notes"), static_cast<std::int64_t>(notes().size()));
}

TEST(SchemaTest, LatestAndProfileHaveTheirColumnsInOrder) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    auto const columns = [&](std::string const& view, int count) {
        return test::text(store, fmt::format("SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_table_info("
                                             "'{}') ORDER BY cid LIMIT {})",
                                             view, count));
    };
    EXPECT_EQ(columns("v_latest", 28),
              "campaign cell workload source model context batch codec codec_name backend device threads protocol task "
              "component metric unit better value n ci_low ci_high status reason git_sha toolchain host finished_utc");
    EXPECT_EQ(columns("v_profile", 7), "cell component metric layer head position value");
}

TEST(SchemaTest, NotesOfAViewAreInTheOrderOfItsColumns) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    for (auto const& view : column_of(store, "SELECT name FROM sqlite_schema WHERE type = 'view'")) {
        std::string noted, columns;
        for (auto const& note : view_notes())
            if (note.table == view && !note.column.empty()) noted += fmt::format("{} ", note.column);
        for (Statement column(store.connection(), fmt::format("PRAGMA table_info({})", view)); column.step();)
            columns += column.text(1) + " ";
        EXPECT_EQ(noted, columns) << view;
    }
}

TEST(SchemaTest, EveryMetricIsInTheDatabase) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    EXPECT_EQ(number(store, "SELECT count(*) FROM metric"), static_cast<std::int64_t>(metrics().size()));
    EXPECT_EQ(test::text(store, "SELECT unit || better || deterministic FROM metric WHERE name = 'encode_gb_per_s'"),
              "GB/shigher0");
}

TEST(SchemaTest, AMigrationTakesOnlyTheStepsNotSeen) {
    test::Folder folder;
    auto const store = Store::open(folder.file());
    auto* const db = store.connection();
    // Version 1 would fail if it ran again: its tables are there.
    int const known = schema_version();
    std::vector<Migration> steps(migrations().begin(), migrations().end());
    steps.push_back({known + 1, "ALTER TABLE campaign ADD COLUMN tag TEXT;"});
    steps.push_back({known + 2, "UPDATE campaign SET tag = 'x';"});
    migrate(db, known, steps);
    EXPECT_EQ(number(store, "PRAGMA user_version"), known + 2);
    EXPECT_EQ(number(store, "SELECT count(*) FROM pragma_table_info('campaign') WHERE name = 'tag'"), 1);
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 0);  // the views are there again
    EXPECT_THROW(migrate(db, 0, steps), std::runtime_error);
}

TEST(SchemaTest, Version2KeepsThePublishedFiguresOfVersion1) {
    test::Folder folder;
    {
        sqlite3* connection = nullptr;
        ASSERT_EQ(sqlite3_open(folder.file().c_str(), &connection), SQLITE_OK);
        execute(connection, std::string(migrations().front().sql));
        execute(connection, fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 1", application_id));
        execute(connection, R"(
INSERT INTO metric VALUES (1, 'mae', 'value', 'lower', 1, '');
INSERT INTO toolchain VALUES (1, 't', '');
INSERT INTO build VALUES (1, 1, '', '', '', '', '', 0, 0, 0);
INSERT INTO plan VALUES (1, 'p', 1, '');
INSERT INTO campaign VALUES (1, 'c', '', 0, '', 1, 1, '', '', '');
INSERT INTO published VALUES (1, 1, '{}', 'k', 1, -0.5, 'a study', 'exact');)");
        sqlite3_close(connection);
    }
    auto const store = Store::open(folder.file());
    EXPECT_EQ(number(store, "PRAGMA user_version"), schema_version());
    EXPECT_EQ(test::text(store, "SELECT value || ' ' || setting || ' ' || relation || ' ' || tolerance FROM published"),
              "-0.5 a study equals 0.005");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_targets"), 0);
}

}  // namespace
}  // namespace kvstone
