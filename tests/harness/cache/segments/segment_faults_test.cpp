// Calls that fail: no room, errors of a device, short reads, O_DIRECT and io_uring refused, power cut.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/errors.hpp"
#include "tests/harness/cache/segments/memory_files.hpp"
#include "tests/harness/cache/segments/segment_blocks.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr std::size_t size = 5000;
constexpr std::uint64_t record = 8192;

SegmentRules small(SegmentIo io = SegmentIo::buffered, SegmentSync sync = SegmentSync::none) {
    return {.segment_bytes = 5 * record, .budget_bytes = 100 * record, .io = io, .sync = sync, .reads_in_flight = 4};
}

/// Puts the blocks from `from` to before `to`; those that are promised now. A failed write does not end it.
std::vector<std::uint64_t> put_all(SegmentStore& store, std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> taken;
    for (auto i = from; i < to; ++i) {
        try {
            store.put(key_of(i), as_span(bytes_of(i, size)));
            taken.push_back(i);
        } catch (SystemError const&) {
        }
    }
    return taken;
}

void expect_right(SegmentStore& store, std::vector<std::uint64_t> const& numbers) {
    for (auto const i : numbers) EXPECT_EQ(got(store, i), bytes_of(i, size)) << i;
}

/// The n-th call of a kind, counted from 0, and all after it where `on`, end with this.
MemoryFiles::Fault fail_at(FileCall which, std::uint64_t n, std::int64_t result, bool on = false) {
    return [=, calls = std::uint64_t{0}](FileCall call, std::size_t, bool) mutable -> std::optional<std::int64_t> {
        if (call != which) return std::nullopt;
        auto const now = calls++;
        if (now == n || (on && now > n)) return result;
        return std::nullopt;
    };
}

class Faults : public testing::TestWithParam<std::tuple<SegmentIo, SegmentSync>> {
  protected:
    SegmentRules const rules = small(std::get<0>(GetParam()), std::get<1>(GetParam()));
    MemoryFiles files;
};

/// The disk is full after every number of bytes, within headers, payloads, padding and between records.
TEST_P(Faults, NoRoomIsSaidAndForgetsNothing) {
    auto const direct = rules.io != SegmentIo::buffered;
    for (std::uint64_t room = 0; room < 7 * record && !HasFailure(); room += direct ? 4096 : 331) {
        MemoryFiles folder;
        folder.disk_bytes = room;
        std::vector<std::uint64_t> taken;
        {
            SegmentStore store("cold", rules, folder);
            taken = put_all(store, 0, 8);
            EXPECT_EQ(taken.size(), room / record);
            expect_right(store, taken);
            EXPECT_EQ(store.counters().entries, taken.size());
            EXPECT_EQ(store.counters().corrupt_records, 0U);
            EXPECT_EQ(store.counters().write_errors, 8 - taken.size());
            expect_same_books(store.counters(), SlowFolder(folder.contents()));
            try {
                store.put(key_of(100), as_span(bytes_of(100, size)));
                FAIL() << "there was no room";
            } catch (SystemError const& error) {
                EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
                EXPECT_THAT(error.what(), HasSubstr("cold/segment-"));
            }
            folder.disk_bytes += 20 * record;  // space was freed
            auto const later = put_all(store, 200, 210);
            EXPECT_EQ(later.size(), 10U);
            taken.insert(taken.end(), later.begin(), later.end());
            expect_right(store, taken);
        }
        SegmentStore store("cold", rules, folder);
        expect_right(store, taken);
        EXPECT_EQ(store.counters().entries, taken.size());
        EXPECT_EQ(store.counters().torn_bytes + store.counters().corrupt_records, 0U);
        expect_same_books(store.counters(), SlowFolder(folder.contents()));
    }
}

/// As above, and the remains of the failed write cannot be cut off either.
TEST_P(Faults, TearsThatCannotBeCutOffAreNoBlocks) {
    files.disk_bytes = 3 * record + 4096;
    std::vector<std::uint64_t> taken;
    {
        SegmentStore store("cold", rules, files);
        files.fault = fail_at(FileCall::ftruncate, 0, -EIO, true);
        taken = put_all(store, 0, 4);
        EXPECT_EQ(taken.size(), 3U);
        files.disk_bytes += 20 * record;
        auto const later = put_all(store, 10, 14);
        EXPECT_EQ(later.size(), 4U);
        taken.insert(taken.end(), later.begin(), later.end());
        expect_right(store, taken);
        expect_same_books(store.counters(), SlowFolder(files.contents()));
    }
    files.fault = nullptr;
    SegmentStore store("cold", rules, files);
    expect_right(store, taken);
    EXPECT_EQ(store.counters().entries, taken.size());
    EXPECT_EQ(store.counters().corrupt_records, 1U);
    expect_same_books(store.counters(), SlowFolder(files.contents()));
}

/// Every write, open, sync and removal fails once, in turn, and the rest of the work goes on.
TEST_P(Faults, EveryCallMayFailOnce) {
    for (auto const call :
         {FileCall::pwrite, FileCall::open, FileCall::fdatasync, FileCall::sync_folder, FileCall::unlink}) {
        for (std::uint64_t n = 0; n < 30 && !HasFailure(); ++n) {
            MemoryFiles folder;
            std::vector<std::uint64_t> taken;
            {
                SegmentStore store("cold", rules, folder);
                folder.fault = fail_at(call, n, -EIO);
                taken = put_all(store, 0, 30);
                EXPECT_GE(taken.size(), 29U);
                for (std::uint64_t i = 0; i < 12; ++i) {
                    try {
                        store.erase(key_of(i));
                    } catch (SystemError const&) {
                    }
                    EXPECT_FALSE(store.holds(key_of(i)));
                }
                std::erase_if(taken, [](auto i) { return i < 12; });
                try {
                    store.flush();
                } catch (SystemError const&) {
                    store.flush();  // fails once
                }
                folder.fault = nullptr;
                expect_right(store, taken);
                EXPECT_EQ(store.counters().entries, taken.size());
                expect_same_books(store.counters(), SlowFolder(folder.contents()));
            }
            SegmentStore store("cold", rules, folder);
            expect_right(store, taken);
            EXPECT_EQ(store.counters().entries, taken.size());
            expect_same_books(store.counters(), SlowFolder(folder.contents()));
        }
    }
}

TEST_P(Faults, ReadsThatFailAreCountedMisses) {
    SegmentStore store("cold", rules, files);
    put_all(store, 0, 20);
    std::vector<BlockKey> keys;
    for (std::uint64_t i = 0; i < 20; ++i) keys.push_back(key_of(i));
    for (std::uint64_t n = 0; n < 20; ++n) {
        files.fault = fail_at(FileCall::pread, n, -EIO);
        std::size_t missing = 0;
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            if (block) {
                EXPECT_EQ(text_of(*block), bytes_of(i, size));
            }
            missing += !block;
        });
        EXPECT_EQ(missing, 1U);
        EXPECT_EQ(store.counters().read_errors, n + 1);
    }
    files.fault = nullptr;  // the device is well again
    EXPECT_EQ(store.counters().corrupt_records, 0U);
    for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size));
}

/// Reads give every number of bytes less than was asked for: the first of each block, or all of them.
TEST_P(Faults, ShortReadsAreContinued) {
    SegmentStore store("cold", rules, files);
    put_all(store, 0, 4);
    std::vector<BlockKey> keys;
    std::vector<std::string> expected;
    for (std::uint64_t i = 0; i < 4; ++i) {
        keys.push_back(key_of(i));
        expected.push_back(bytes_of(i, size));
    }
    for (std::int64_t most = 1; most < static_cast<std::int64_t>(record) && !HasFailure(); ++most) {
        auto const before = store.counters().short_reads;
        // All of them only where that does not take thousands of calls.
        auto const on = most > 100;
        files.fault = fail_at(FileCall::pread, 0, most, on);
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            ASSERT_TRUE(block) << most;
            ASSERT_EQ(text_of(*block), expected[i]) << most;
        });
        EXPECT_GE(store.counters().short_reads, before + (on ? 4 : 1));
    }
    EXPECT_EQ(store.counters().corrupt_records + store.counters().read_errors, 0U);
}

TEST_P(Faults, ShortReadsHideNothingFromARestart) {
    {
        SegmentStore store("cold", rules, files);
        put_all(store, 0, 12);
    }
    for (auto const most : {200, 4095, 4096, 4097, 8191}) {
        files.fault = fail_at(FileCall::pread, 0, most, true);
        SegmentStore store("cold", rules, files);
        EXPECT_EQ(store.counters().entries, 12U);
        EXPECT_EQ(store.counters().torn_bytes, 0U);
        EXPECT_GT(store.counters().short_reads, most == 4096 || most == 8191 || most == 4097 ? 0 : 11);
        for (std::uint64_t i = 0; i < 12; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size));
    }
}

/// Reads that end at once say that the file is shorter than it was: nothing is found there.
TEST_P(Faults, FilesThatEndEarlyAreMisses) {
    SegmentStore store("cold", rules, files);
    put_all(store, 0, 10);
    files.bytes("cold/" + segment_name(1)).resize(3 * record + 100);
    for (std::uint64_t i = 0; i < 10; ++i)
        EXPECT_EQ(got(store, i), i == 3 || i == 4 ? std::nullopt : std::optional(bytes_of(i, size)));
    EXPECT_EQ(store.counters().corrupt_records, 2U);
    EXPECT_EQ(store.counters().entries, 8U);
}

TEST_P(Faults, ASegmentThatCannotBeReadKeepsItsBytes) {
    {
        SegmentStore store("cold", rules, files);
        put_all(store, 0, 10);
    }
    auto const before = files.contents();
    for (std::uint64_t n = 0; n < 12; ++n) {
        files.fault = fail_at(FileCall::pread, n, -EIO);
        SegmentStore store("cold", rules, files);
        EXPECT_EQ(store.counters().read_errors, 1U);
        EXPECT_EQ(store.counters().torn_bytes, 0U);
        EXPECT_EQ(store.counters().disk_bytes, 10 * record);
        EXPECT_LT(store.counters().entries, 10U);
        EXPECT_EQ(files.contents(), before);
    }
    files.fault = nullptr;
    EXPECT_EQ(SegmentStore("cold", rules, files).counters().entries, 10U);
}

/// Promised blocks outlive a power cut at any call that changes the disk; other blocks are right where they are found.
TEST_P(Faults, PromisesOutliveAPowerCut) {
    constexpr auto no_power = -ENODEV;
    std::size_t promises = 0;
    for (std::uint64_t n = 0; n < 60; ++n) {
        for (std::uint64_t seed = 0; seed < 8 && !HasFailure(); ++seed) {
            MemoryFiles folder;
            folder.random.seed(seed);
            std::set<std::uint64_t> promised;
            std::set<std::uint64_t> erased;
            {
                auto few = rules;
                few.budget_bytes = 10 * record;
                SegmentStore store("cold", few, folder);
                store.on_eviction([&](BlockKey const& key, std::uint64_t) {
                    std::erase_if(promised, [&](auto i) { return key_of(i) == key; });
                });
                std::uint64_t calls = 0;
                folder.fault = [&](FileCall call, std::size_t, bool) -> std::optional<std::int64_t> {
                    if (call == FileCall::pread || call == FileCall::size || call == FileCall::list)
                        return std::nullopt;
                    if (calls++ >= n) return no_power;
                    return std::nullopt;
                };
                std::vector<std::uint64_t> since_flush;
                std::vector<std::uint64_t> erased_since_flush;
                try {
                    for (std::uint64_t i = 0; i < 24; ++i) {
                        store.put(key_of(i), as_span(bytes_of(i, size)));
                        since_flush.push_back(i);
                        if (i % 4 == 3) {
                            promised.erase(i - 1);
                            std::erase(since_flush, i - 1);
                            if (store.erase(key_of(i - 1))) erased_since_flush.push_back(i - 1);
                        }
                        auto const flushes = rules.sync != SegmentSync::entry;
                        if (flushes && i % 6 == 5) store.flush();
                        if (flushes && i % 6 != 5) continue;
                        for (auto const one : since_flush)
                            if (store.holds(key_of(one))) promised.insert(one);
                        erased.insert(erased_since_flush.begin(), erased_since_flush.end());
                        since_flush.clear();
                        erased_since_flush.clear();
                    }
                } catch (SystemError const&) {
                }
            }
            folder.fault = nullptr;
            folder.cut_power();
            promises += promised.size();
            SegmentStore store("cold", rules, folder);
            for (auto const i : promised) EXPECT_EQ(got(store, i), bytes_of(i, size)) << n;
            for (std::uint64_t i = 0; i < 24; ++i)
                if (auto const found = got(store, i)) {
                    EXPECT_EQ(found, bytes_of(i, size));
                }
            // Without syncs, a removed segment may come back when a later one, with an erasure of its blocks, does not.
            if (rules.sync != SegmentSync::none) {
                for (auto const i : erased) EXPECT_FALSE(store.holds(key_of(i))) << n;
            }
            expect_same_books(store.counters(), SlowFolder(folder.contents()));
        }
    }
    EXPECT_GT(promises, 500U);
}

INSTANTIATE_TEST_SUITE_P(Segments, Faults,
                         testing::Combine(testing::Values(SegmentIo::buffered, SegmentIo::direct, SegmentIo::io_uring),
                                          testing::Values(SegmentSync::none, SegmentSync::segment, SegmentSync::entry)),
                         [](auto const& run) {
                             return name_of(std::get<0>(run.param)) + "_" + name_of(std::get<1>(run.param));
                         });

/// O_DIRECT refused where the system may refuse it, and by which call; put blocks are found all the same.
class Refusals : public testing::TestWithParam<SegmentIo> {
  protected:
    void expect_buffered_after(FileCall refused, char const* at, std::uint64_t n) {
        MemoryFiles files;
        std::uint64_t calls = 0;
        files.fault = [&](FileCall call, std::size_t, bool direct) -> std::optional<std::int64_t> {
            if (call != refused || !direct || calls++ < n) return std::nullopt;
            return -EINVAL;
        };
        {
            SegmentStore store("cold", small(GetParam()), files);
            EXPECT_EQ(put_all(store, 0, 20).size(), 20U);
            for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size)) << i;
            auto const mode = store.mode();
            EXPECT_EQ(mode.io, SegmentIo::buffered);
            EXPECT_EQ(mode.refused_errno, EINVAL);
            EXPECT_EQ(mode.refused_at, at);
            EXPECT_EQ(mode.text(GetParam()),
                      "buffered (" + name_of(GetParam()) + " refused at " + at + ": Invalid argument)");
            EXPECT_EQ(store.counters().write_errors + store.counters().read_errors, 0U);
            expect_same_books(store.counters(), SlowFolder(files.contents()));
        }
        EXPECT_EQ(files.open_files(), 0U);
        SegmentStore store("cold", small(GetParam()), files);
        for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size)) << i;
    }
};

TEST_P(Refusals, AtOpen) {
    for (std::uint64_t n = 0; n < 4; ++n) expect_buffered_after(FileCall::open, "open", n);
}
TEST_P(Refusals, AtWrite) {
    for (std::uint64_t n = 0; n < 20; ++n) expect_buffered_after(FileCall::pwrite, "write", n);
}
TEST_P(Refusals, AtRead) {
    for (std::uint64_t n = 0; n < 20; ++n) expect_buffered_after(FileCall::pread, "read", n);
}
TEST_P(Refusals, AreNotProvoked) {
    MemoryFiles files;  // refuses unaligned reads
    SegmentStore store("cold", small(GetParam()), files);
    put_all(store, 0, 20);
    for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size)) << i;
    EXPECT_EQ(store.mode().text(GetParam()), name_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Segments, Refusals, testing::Values(SegmentIo::direct, SegmentIo::io_uring),
                         [](auto const& run) { return name_of(run.param); });

TEST(RefusedRings, LeaveDirectReads) {
    MemoryFiles files;
    files.has_rings = false;
    SegmentStore store("cold", small(SegmentIo::io_uring), files);
    EXPECT_EQ(store.mode().text(SegmentIo::io_uring), "direct (io_uring refused at io_uring: Operation not permitted)");
    put_all(store, 0, 5);
    std::vector<BlockKey> const keys = {key_of(3), key_of(9), key_of(0)};
    std::map<std::size_t, bool> told;
    store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) { told[i] = block.has_value(); });
    EXPECT_EQ(told, (std::map<std::size_t, bool>{{0, true}, {1, false}, {2, true}}));
}

TEST(Errors, OfTheFolderAreTold) {
    MemoryFiles files;
    files.fault = fail_at(FileCall::list, 0, -EACCES);
    EXPECT_THROW(SegmentStore("cold", small(), files), SystemError);
    EXPECT_EQ(files.open_files(), 0U);
    files.fault = nullptr;
    {
        SegmentStore store("cold", small(), files);
        put_all(store, 0, 3);
    }
    files.fault = fail_at(FileCall::open, 0, -EACCES);
    EXPECT_THROW(SegmentStore("cold", small(), files), SystemError);
    files.fault = nullptr;
    EXPECT_EQ(SegmentStore("cold", small(), files).counters().entries, 3U);
    EXPECT_EQ(files.open_files(), 0U);
}

}  // namespace
}  // namespace kvstone
