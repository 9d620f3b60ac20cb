// Others read while a run writes.

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "results/query/query.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone::test {
namespace {

/// Eight who ask again and again, each time as a new `kvstone query` would.
class Readers {
  public:
    explicit Readers(std::string const& path) {
        for (int i = 0; i < 8; ++i) threads_.emplace_back([this, path] { read(path); });
    }
    /// Ends them; returns the error, or nothing.
    std::string finish() {
        stop_ = true;
        threads_.clear();
        return wrong_;
    }
    int answers() const { return answers_; }

  private:
    void read(std::string const& path) {
        try {
            for (std::int64_t before = 0; !stop_; ++answers_) {
                auto const store = Store::open_read_only(path);
                auto const now = std::get<std::int64_t>(query(store, "SELECT count(*) FROM v_latest").rows[0][0]);
                if (now < before) throw std::runtime_error(fmt::format("{} rows after {}", now, before));
                before = now;
            }
        } catch (std::exception const& error) {
            std::lock_guard const lock(mutex_);
            wrong_ = error.what();
        }
    }

    std::atomic<bool> stop_ = false;
    std::atomic<int> answers_ = 0;
    std::mutex mutex_;
    std::string wrong_;
    std::vector<std::jthread> threads_;
};

constexpr int cells_a_run = 20;

/// One start of a run, and the end of it; throws where it is blocked beyond the busy timeout.
void write(std::string const& path, std::uint64_t run) {
    auto store = Store::open(path);
    EXPECT_EQ(text(store, "PRAGMA journal_mode"), "wal") << "readers kept the log from being opened";
    std::vector<Cell> cells;
    for (std::uint64_t i = 0; i < cells_a_run; ++i) cells.push_back(cell("raw", 1000 * run + i));
    auto expected = plan(cells);
    expected.hash += std::to_string(run);
    auto const campaign = store.begin_campaign(expected, build(), "hw", false);
    for (auto const& c : cells) store.ingest(campaign, {measurement(c)});
}

TEST(Readers, EightAskWhileRunsComeAndGo) {
    Folder const folder;
    write(folder.file(), 0);
    Readers readers(folder.file());
    while (readers.answers() < 8) std::this_thread::yield();
    for (std::uint64_t run = 1; run <= 4; ++run) ASSERT_NO_THROW(write(folder.file(), run)) << "run " << run;
    EXPECT_EQ(readers.finish(), "");
    EXPECT_GT(readers.answers(), 16);
    EXPECT_EQ(number(Store::open_read_only(folder.file()), "SELECT count(*) FROM attempt"), 5 * cells_a_run);
}

TEST(Readers, ALongQueryHoldsUpNobodyUnlessTheJournalRollsBack) {
    Folder const folder;
    write(folder.file(), 0);
    auto const reading = [&](std::string const& setting) {
        // Opened first: the log is only replaced while there is no reader.
        auto writer = Store::open(folder.file());
        execute(writer.connection(), "PRAGMA busy_timeout = 200" + setting);
        auto const campaign = writer.begin_campaign(plan({cell("raw"), cell("fp16")}), build(), "hw", true);
        auto const reader = Store::open_read_only(folder.file());
        Statement slow(reader.connection(), "SELECT * FROM metric");
        slow.step();
        writer.ingest(campaign, {measurement(cell("raw"))});
        EXPECT_TRUE(slow.step());
    };
    EXPECT_NO_THROW(reading(""));
    expect_error<SystemError>([&] { reading("; PRAGMA journal_mode = DELETE"); }, "locked");
}

}  // namespace
}  // namespace kvstone::test
