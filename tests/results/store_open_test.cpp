// Opening, refusing, and leaving databases.

#include <csignal>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results/query/query.hpp"
#include "results/store/schema.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::build;
using test::cell;
using test::execute_in;
using test::expect_error;
using test::Folder;
using test::measurement;
using test::number;
using test::plan;

/// Runs in a process of its own; its exit status. Exceptions give 99.
int in_child(std::function<int()> const& body) {
    auto const child = fork();
    if (child == 0) {
        int code = 99;
        try {
            code = body();
        } catch (std::exception const& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
        }
        _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Like in_child, as somebody whom permissions bind; -1 where no such user can be had.
int in_bound_child(Folder const& folder, std::function<int()> const& body) {
    return in_child([&] {
        if (access(folder.path().c_str(), W_OK) == 0 && setresuid(65534, 65534, 65534) != 0) return 77;
        if (access(folder.path().c_str(), W_OK) == 0) return 77;
        return body();
    });
}

void write_file(std::string const& path, std::string const& content) {
    std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void fill(Store& store) {
    auto const campaign = store.begin_campaign(plan({cell("raw")}), build(), "hw", false);
    store.ingest(campaign, {measurement(cell("raw"))});
}

TEST(StoreOpenTest, ACleanCloseLeavesOnePlainFile) {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        fill(store);
        EXPECT_EQ(test::text(store, "PRAGMA journal_mode"), "wal");
    }
    EXPECT_EQ(folder.files(), 1U);
    auto const store = Store::open_read_only(folder.file());
    EXPECT_EQ(test::text(store, "PRAGMA journal_mode"), "delete");
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 3);
}

TEST(StoreOpenTest, AReaderNeverWrites) {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        fill(store);
    }
    auto const before = read_file(folder.file());
    {
        auto store = Store::open_read_only(folder.file());
        EXPECT_THROW(store.begin_campaign(plan({cell("raw")}), build(), "hw", true), ConfigError);
        EXPECT_THROW(store.ingest({}, {}), std::logic_error);
        EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 3);
    }
    EXPECT_EQ(read_file(folder.file()), before);
    EXPECT_EQ(folder.files(), 1U);
}

TEST(StoreOpenTest, BadPathsAreRefusedAndNothingIsLeft) {
    Folder folder;
    expect_error<ConfigError>([&] { Store::open(folder.path()); }, "folder");
    expect_error<ConfigError>([&] { Store::open(folder.file("no/such/kvstone.db")); }, "does not exist");
    expect_error<ConfigError>([&] { Store::open(""); }, "no name");
    expect_error<ConfigError>([&] { Store::open_read_only(folder.file()); }, "no database");
    expect_error<ConfigError>([&] { Store::open_read_only(folder.path()); }, "folder");
    EXPECT_EQ(folder.files(), 0U);
}

TEST(StoreOpenTest, ForeignFilesAreRefusedAndUntouched) {
    Folder folder;
    std::string const prose(5000, 'x');
    write_file(folder.file("prose"), prose);
    execute_in(folder.file("other"), "CREATE TABLE t(x); PRAGMA user_version = 1");
    auto const other = read_file(folder.file("other"));
    for (bool const reading : {false, true}) {
        auto const open = [&](std::string const& file) {
            return reading ? Store::open_read_only(file) : Store::open(file);
        };
        expect_error<ConfigError>([&] { open(folder.file("prose")); }, "not a database");
        expect_error<ConfigError>([&] { open(folder.file("other")); }, "no KVstone database");
    }
    EXPECT_EQ(read_file(folder.file("prose")), prose);
    EXPECT_EQ(read_file(folder.file("other")), other);
    EXPECT_EQ(folder.files(), 2U);
}

TEST(StoreOpenTest, AnEmptyFileBecomesADatabaseOnlyForAWriter) {
    Folder folder;
    write_file(folder.file(), "");
    expect_error<ConfigError>([&] { Store::open_read_only(folder.file()); }, "empty");
    auto store = Store::open(folder.file());
    fill(store);
}

TEST(StoreOpenTest, ANewerSchemaIsReadAndNotWritten) {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        fill(store);
        execute(store.connection(), fmt::format("PRAGMA user_version = {}", schema_version() + 1));
    }
    auto const before = read_file(folder.file());
    expect_error<ConfigError>([&] { Store::open(folder.file()); },
                              fmt::format("schema {}, this build writes {}", schema_version() + 1, schema_version()));
    EXPECT_EQ(read_file(folder.file()), before);
    EXPECT_EQ(folder.files(), 1U);
    auto const reader = Store::open_read_only(folder.file());
    EXPECT_EQ(number(reader, "SELECT count(*) FROM v_latest"), 3);
}

TEST(StoreOpenTest, ASecondWriterIsToldWhoHoldsIt) {
    Folder folder;
    {
        auto const first = Store::open(folder.file());
        auto const holder = fmt::format("process {} on ", getpid());
        expect_error<ConfigError>([&] { Store::open(folder.file()); }, holder);
        std::filesystem::create_symlink(folder.file(), folder.file("link.db"));
        expect_error<ConfigError>([&] { Store::open(folder.file("link.db")); }, holder);
        EXPECT_EQ(in_child([&] {
                      expect_error<ConfigError>([&] { Store::open(folder.file()); }, holder);
                      return testing::Test::HasFailure() ? 1 : 0;
                  }),
                  0);
        Store::open_read_only(folder.file());  // readers are not locked out
    }
    auto const second = Store::open(folder.file());
}

TEST(StoreOpenTest, ADeadWriterIsNoObstacle) {
    Folder folder;
    EXPECT_EQ(in_child([&]() -> int {
                  auto store = Store::open(folder.file());
                  fill(store);
                  raise(SIGKILL);
                  return 0;
              }),
              128 + SIGKILL);
    EXPECT_TRUE(std::filesystem::exists(folder.file() + ".lock"));
    {
        auto const reader = Store::open_read_only(folder.file());
        EXPECT_EQ(number(reader, "SELECT count(*) FROM v_latest"), 3);
    }
    {
        auto const store = Store::open(folder.file());
        EXPECT_EQ(number(store, "SELECT count(*) FROM v_latest"), 3);
    }
    EXPECT_EQ(folder.files(), 1U);
}

TEST(StoreOpenTest, AReadOnlyFolderIsReadAndNotWritten) {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        fill(store);
    }
    std::filesystem::permissions(folder.file(), std::filesystem::perms(0444));
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
    int const code = in_bound_child(folder, [&] {
        expect_error<ConfigError>([&] { Store::open(folder.file()); }, "read-only");
        expect_error<ConfigError>([&] { Store::open(folder.file("new.db")); }, "read-only");
        auto const reader = Store::open_read_only(folder.file());
        EXPECT_EQ(number(reader, "SELECT count(*) FROM v_latest"), 3);
        return testing::Test::HasFailure() ? 1 : 0;
    });
    if (code == 77) GTEST_SKIP() << "permissions do not bind this user, and it cannot become another";
    EXPECT_EQ(code, 0);
    EXPECT_EQ(folder.files(), 1U);
}

TEST(StoreOpenTest, AFileLeftInWalModeOpensInAReadOnlyFolderWhereItIsComplete) {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        fill(store);
    }
    // As the sqlite3 shell might leave it, with the journal gone.
    execute_in(folder.file(), "PRAGMA journal_mode = WAL");
    auto const read = [&] {
        auto const reader = Store::open_read_only(folder.file());
        EXPECT_EQ(number(reader, "SELECT count(*) FROM v_latest"), 3);
        return testing::Test::HasFailure() ? 1 : 0;
    };
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
    int const code = in_bound_child(folder, read);
    if (code == 77) GTEST_SKIP() << "permissions do not bind this user, and it cannot become another";
    EXPECT_EQ(code, 0);
    // Rows that only a journal holds must not go missing silently.
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
    write_file(folder.file() + "-wal", std::string(100, 'x'));
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
    EXPECT_EQ(in_bound_child(folder,
                             [&] {
                                 expect_error<ConfigError>([&] { Store::open_read_only(folder.file()); }, "-wal");
                                 return testing::Test::HasFailure() ? 1 : 0;
                             }),
              0);
}

TEST(StoreOpenTest, AFullDiskStopsAtAWholeBatchAndGoesOnOnceThereIsRoom) {
    Folder folder;
    auto store = Store::open(folder.file());
    std::vector<Cell> cells;
    for (int i = 0; i < 50; ++i) cells.push_back(cell(fmt::format("codec{}", i)));
    auto const campaign = store.begin_campaign(plan(cells), build(), "hw", false);
    execute(store.connection(), fmt::format("PRAGMA max_page_count = {}", number(store, "PRAGMA page_count") + 8));
    int stored = 0;
    std::vector<Measurement> batch;
    try {
        for (int i = 0; i < 50; i += 2) {
            batch = {measurement(cells[i]), measurement(cells[i + 1])};
            for (auto& m : batch) m.samples[0].values.assign(200, 1.5);
            store.ingest(campaign, batch);
            stored += 2;
        }
        FAIL() << "50 attempts fitted into 8 pages";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr(folder.file()), testing::HasSubstr("full")));
    }
    EXPECT_GT(stored, 0);
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), stored);
    EXPECT_EQ(number(store, "SELECT count(*) FROM sample"), stored * 200);
    execute(store.connection(), "PRAGMA max_page_count = 1000000");
    store.ingest(campaign, batch);
    EXPECT_EQ(number(store, "SELECT count(*) FROM attempt"), stored + 2);
    EXPECT_EQ(test::text(store, "PRAGMA integrity_check"), "ok");
}

TEST(StoreOpenTest, AFirstOpenThatFailsLeavesNothing) {
    Folder folder;
    // To one process a file size limit looks like a full disk.
    EXPECT_EQ(in_child([&] {
                  signal(SIGXFSZ, SIG_IGN);
                  rlimit const limit{4096, 4096};
                  setrlimit(RLIMIT_FSIZE, &limit);
                  expect_error<SystemError>([&] { Store::open(folder.file()); }, folder.file());
                  return testing::Test::HasFailure() ? 1 : 0;
              }),
              0);
    EXPECT_EQ(folder.files(), 0U);
}

TEST(StoreOpenTest, KilledAtAnyInstantItHoldsWholeAttempts) {
    for (int round = 0; round < 8; ++round) {
        Folder folder;
        auto const child = fork();
        if (child == 0) {
            auto store = Store::open(folder.file());
            std::vector<Cell> cells;
            for (int i = 0; i < 2000; ++i) cells.push_back(cell(fmt::format("codec{}", i)));
            auto const campaign = store.begin_campaign(plan(cells), build(), "hw", false);
            for (std::size_t i = 0; i + 3 <= cells.size(); i += 3)
                store.ingest(campaign, {measurement(cells[i]), measurement(cells[i + 1]), measurement(cells[i + 2])});
            _exit(0);
        }
        // The folder counts itself; wait until the child is at work, then a little more each round.
        while (!std::filesystem::exists(folder.file() + "-wal")) usleep(1000);
        usleep(60'000 + 17'000 * static_cast<unsigned>(round));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        auto const store = Store::open(folder.file());
        auto const attempts = number(store, "SELECT count(*) FROM attempt");
        EXPECT_EQ(attempts % 3, 0);
        EXPECT_EQ(number(store, "SELECT count(*) FROM figure"), 3 * attempts);
        EXPECT_EQ(number(store, "SELECT count(*) FROM sample"), 3 * attempts);
        EXPECT_EQ(number(store, "SELECT count(*) FROM profile"), 2 * attempts);
        EXPECT_EQ(number(store, "SELECT count(*) FROM expected") % 2000, 0);
        EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), attempts);
        EXPECT_EQ(test::stale_summaries(store), 0);
        EXPECT_EQ(test::text(store, "PRAGMA integrity_check"), "ok");
        EXPECT_EQ(number(store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    }
}

TEST(StoreOpenTest, ReadersSeeWholeBatchesWhileAWriterWrites) {
    Folder folder;
    auto store = Store::open(folder.file());
    std::vector<Cell> cells;
    for (int i = 0; i < 200; ++i) cells.push_back(cell(fmt::format("codec{}", i)));
    auto const campaign = store.begin_campaign(plan(cells), build(), "hw", false);
    std::vector<pid_t> readers;
    for (int i = 0; i < 3; ++i) {
        readers.push_back(fork());
        if (readers.back() != 0) continue;
        std::int64_t seen = 0;
        while (seen < 200) {
            auto const reader = Store::open_read_only(folder.file());
            auto const now = std::get<std::int64_t>(query(reader, "SELECT count(*) FROM attempt").rows[0][0]);
            if (now < seen || now % 2 != 0) _exit(1);
            seen = now;
        }
        _exit(0);
    }
    for (std::size_t i = 0; i < cells.size(); i += 2)
        store.ingest(campaign, {measurement(cells[i]), measurement(cells[i + 1])});
    for (auto const reader : readers) {
        int status = -1;
        waitpid(reader, &status, 0);
        EXPECT_EQ(status, 0);
    }
}

}  // namespace
}  // namespace kvstone
