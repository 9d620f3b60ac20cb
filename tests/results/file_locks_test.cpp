// File systems without locks, and remains of sudden deaths beside a database.

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results/store/maintenance.hpp"
#include "results/store/writer_lock.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace {

int refusing_with = 0;  ///< flock's error; 0: the kernel's own answer

}  // namespace

// Stands before the C library's, for this whole program.
extern "C" int flock(int descriptor, int operation) {
    if (refusing_with == 0) return static_cast<int>(syscall(SYS_flock, descriptor, operation));
    errno = refusing_with;
    return -1;
}

namespace kvstone {
namespace {

using testing::HasSubstr;

struct WithoutLocks {
    explicit WithoutLocks(int error) { refusing_with = error; }
    ~WithoutLocks() { refusing_with = 0; }
};

TEST(FileLocks, WhereThereAreNoneTheErrorSaysWhatToDoAndNothingIsLeft) {
    for (int const error : {ENOSYS, EOPNOTSUPP, ENOLCK}) {
        test::Folder const folder;
        WithoutLocks const without(error);
        try {
            Store::open(folder.file());
            FAIL() << "opened";
        } catch (ConfigError const& refused) {
            EXPECT_THAT(refused.what(), HasSubstr("-o flock"));
            EXPECT_THAT(refused.what(), HasSubstr("--lock none"));
            EXPECT_THAT(refused.what(), HasSubstr("kvstone.db.lock"));
        }
        EXPECT_EQ(folder.files(), 0U);
        auto const plan = test::plan({test::cell("raw")});
        {
            auto store = Store::open(folder.file(), Locking::none);
            auto const campaign = store.begin_campaign(plan, test::build(), "hw", false);
            store.ingest(campaign, {test::measurement(plan.cells[0])});
        }
        EXPECT_EQ(folder.files(), 1U);  // closed into one plain file, as with a lock
        EXPECT_EQ(test::number(Store::open_read_only(folder.file()), "SELECT count(*) FROM attempt"), 1);
    }
}

TEST(FileLocks, AnotherErrorLeavesNoFileEither) {
    test::Folder const folder;
    WithoutLocks const without(EIO);
    EXPECT_THROW(Store::open(folder.file()), SystemError);
    EXPECT_EQ(folder.files(), 0U);
}

/// Runs in a process of its own; the signal that ended it.
template <class Body>
int signal_of(Body const& body) {
    auto const child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(SuddenDeath, OfAMergeLeavesNoCopy) {
    test::Folder const folder;
    auto const plan = test::plan({test::cell("raw")});
    for (char const* const name : {"here.db", "other.db"}) {
        auto store = Store::open(folder.file(name));
        auto const campaign = store.begin_campaign(plan, test::build(name), "hw", false);
        store.ingest(campaign, {test::measurement(plan.cells[0])});
    }
    EXPECT_EQ(signal_of([&] {
                  auto store = Store::open(folder.file("here.db"));
                  auto const die = [](void*) { return std::raise(SIGKILL); };
                  sqlite3_commit_hook(store.connection(), die, nullptr);
                  merge(store, folder.file("other.db"));
              }),
              SIGKILL);
    for (auto const& entry : std::filesystem::directory_iterator(folder.path())) {
        auto const name = entry.path().filename().string();
        EXPECT_TRUE(name.starts_with("here.db") || name == "other.db") << name;
        EXPECT_THAT(name, testing::Not(HasSubstr("copy")));
    }
    auto store = Store::open(folder.file("here.db"));
    EXPECT_EQ(merge(store, folder.file("other.db")).attempts, 1);
}

TEST(SuddenDeath, TheNextCopyTakesAwayWhatAnotherLeft) {
    test::Folder const folder;
    Store::open(folder.file());
    auto const copy = [&] { return TemporaryCopy(Store::open_read_only(folder.file()), folder.file("archive.zip")); };
    EXPECT_EQ(signal_of([&] {
                  auto const left = copy();
                  std::raise(SIGKILL);
              }),
              SIGKILL);
    EXPECT_EQ(folder.files(), 2U);
    {
        auto const mine = copy();
        EXPECT_EQ(folder.files(), 2U);
        // One that belongs to a living process stays.
        signal_of([&] { auto const other = copy(); });
        EXPECT_TRUE(std::filesystem::exists(mine.path()));
    }
    EXPECT_EQ(folder.files(), 1U);
}

}  // namespace
}  // namespace kvstone
