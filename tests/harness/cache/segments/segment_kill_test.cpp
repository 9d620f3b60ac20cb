// A process that writes is killed at 100 random instants: promised blocks are there, and the accounts are right.

#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/cache/segments/segment_blocks.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t blocks_a_flush = 8;

SegmentRules rules_of(int round) {
    constexpr SegmentIo ios[] = {SegmentIo::buffered, SegmentIo::direct, SegmentIo::io_uring};
    constexpr SegmentSync syncs[] = {SegmentSync::none, SegmentSync::segment, SegmentSync::entry};
    return {.segment_bytes = 512 << 10, .budget_bytes = 4 << 20, .io = ios[round % 3], .sync = syncs[round / 3 % 3]};
}

std::size_t size_of(std::uint64_t number) { return 1 + number * 7919 % 40'000; }

/// The child's reports, each in one write() of a pipe.
struct Said {
    enum class What : std::uint64_t { promised, evicted, erased } what;
    std::uint64_t number;
};

/// Never ends by itself. Of every five blocks it erases one; what it says has been promised before.
[[noreturn]] void write_for_ever(std::string const& folder, int round, std::uint64_t from, int pipe) {
    auto const say = [pipe](Said::What what, std::uint64_t number) {
        Said const said{what, number};
        if (::write(pipe, &said, sizeof said) != sizeof said) ::_exit(3);
    };
    try {
        auto const rules = rules_of(round);
        SegmentStore store(folder, rules);
        std::map<BlockKey, std::uint64_t> numbers;
        for (std::uint64_t i = 0; i < from; ++i) numbers[key_of(i)] = i;
        store.on_eviction([&](BlockKey const& key, std::uint64_t) { say(Said::What::evicted, numbers.at(key)); });
        std::vector<std::uint64_t> put;
        std::vector<std::uint64_t> erased;
        for (auto i = from;; ++i) {
            numbers[key_of(i)] = i;
            store.put(key_of(i), as_span(bytes_of(i, size_of(i))));
            put.push_back(i);
            if (i % 5 == 4) {
                say(Said::What::evicted, i - 2);  // no longer promised
                if (store.erase(key_of(i - 2))) erased.push_back(i - 2);
            }
            if (rules.sync != SegmentSync::entry) {
                if (put.size() < blocks_a_flush) continue;
                store.flush();
            }
            for (auto const one : put)
                if (store.holds(key_of(one))) say(Said::What::promised, one);
            for (auto const one : erased) say(Said::What::erased, one);
            put.clear();
            erased.clear();
        }
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(4);
    }
}

TEST(KilledWriters, KeepWhatTheyPromised) {
    ScratchFolder const scratch;
    auto const& folder = scratch.path();
    std::mt19937_64 random(16);
    std::set<std::uint64_t> promised;
    std::set<std::uint64_t> erased;
    std::uint64_t next = 0;
    std::size_t promises = 0;
    for (int round = 0; round < 100 && !HasFailure(); ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        auto const child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            write_for_ever(folder, round, next, ends[1]);
        }
        ::close(ends[1]);
        // The instant: some time behind a word of the child's.
        auto words = random() % 40;
        Said said{};
        auto const heard = [&] {
            if (::read(ends[0], &said, sizeof said) != sizeof said) return false;
            if (said.what == Said::What::promised) {
                promised.insert(said.number);
                ++promises;
            } else {
                promised.erase(said.number);
            }
            if (said.what == Said::What::erased) erased.insert(said.number);
            next = std::max(next, said.number + 1);
            return true;
        };
        while (words-- > 0 && heard()) {
        }
        ::usleep(static_cast<useconds_t>(random() % 3000));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "it ended with " << WEXITSTATUS(status);
        while (heard()) {
        }
        ::close(ends[0]);
        next += 2 * blocks_a_flush;  // those it had put and not yet told

        std::map<std::string, std::string> files;
        for (auto const& entry : std::filesystem::directory_iterator(folder)) {
            std::ostringstream bytes;
            bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
            files[entry.path().string()] = bytes.str();
        }
        SlowFolder const fresh(files);
        SegmentStore store(folder, rules_of(round));
        auto const counters = store.counters();
        EXPECT_EQ(counters.entries, fresh.blocks.size());
        EXPECT_EQ(counters.payload_bytes, fresh.payload_bytes);
        EXPECT_EQ(counters.disk_bytes + counters.torn_bytes, fresh.disk_bytes);
        EXPECT_EQ(counters.corrupt_records, 0U);
        for (auto const i : promised) EXPECT_EQ(got(store, i), bytes_of(i, size_of(i))) << i << " in round " << round;
        for (auto const i : erased) EXPECT_FALSE(store.holds(key_of(i))) << i << " in round " << round;
        for (std::uint64_t i = 0; i < next; ++i)
            if (store.holds(key_of(i))) {
                EXPECT_EQ(got(store, i), bytes_of(i, size_of(i)));
            }
    }
    EXPECT_GT(promises, 300U);
}

}  // namespace
}  // namespace kvstone
