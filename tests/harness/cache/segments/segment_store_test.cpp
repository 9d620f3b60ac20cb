// A store of segments on this machine's disk, in each mode: put blocks are found, also after a restart, and the budget
// is kept.

#include "harness/cache/segments/segment_store.hpp"

#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/errors.hpp"
#include "tests/harness/cache/segments/segment_blocks.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

std::map<std::string, std::string> files_of(std::string const& folder) {
    std::map<std::string, std::string> files;
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        std::ostringstream bytes;
        bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
        files[entry.path().string()] = bytes.str();
    }
    return files;
}

/// 0, and sizes around those at which a record takes one more page.
std::size_t size_of(std::uint64_t number) {
    constexpr std::size_t sizes[] = {0, 1, 3967, 3968, 3969, 4096, 8063, 8064, 8065, 20'000, 100, 65'536};
    return sizes[number % std::size(sizes)];
}

class Modes : public testing::TestWithParam<std::tuple<SegmentIo, SegmentSync>> {
  protected:
    SegmentRules rules(std::uint64_t segment_bytes, std::uint64_t budget_bytes) const {
        return {.segment_bytes = segment_bytes,
                .budget_bytes = budget_bytes,
                .io = std::get<0>(GetParam()),
                .sync = std::get<1>(GetParam()),
                .reads_in_flight = 5};
    }
    ScratchFolder scratch;
    std::string folder = scratch / "below/cold";
};

TEST_P(Modes, GiveWhatWasPutAlsoAfterARestart) {
    constexpr std::uint64_t count = 60;
    std::vector<BlockKey> keys;
    for (std::uint64_t i = 0; i < count + 10; ++i) keys.push_back(key_of(i));  // ten of them are never put
    auto const expect_all = [&](SegmentStore& store) {
        std::vector<int> told(keys.size());
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            ++told[i];
            ASSERT_EQ(block.has_value(), i < count) << i;
            if (!block) return;
            EXPECT_EQ(text_of(*block), bytes_of(i, size_of(i))) << i;
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block->bytes().data()) % 128, 0U);
        });
        EXPECT_THAT(told, testing::Each(1));
        for (std::uint64_t i = 0; i < count; ++i) EXPECT_EQ(got(store, i), bytes_of(i, size_of(i)));
        EXPECT_EQ(got(store, count), std::nullopt);
    };
    SegmentCounters before;
    {
        SegmentStore store(folder, rules(1 << 20, 8 << 20));
        for (std::uint64_t i = 0; i < count; ++i) EXPECT_TRUE(store.put(key_of(i), as_span(bytes_of(i, size_of(i)))));
        expect_all(store);
        store.flush();
        before = store.counters();
        EXPECT_EQ(before.puts, count);
        EXPECT_EQ(before.gets, 2 * count + 11);
        EXPECT_EQ(before.hits, 2 * count);
        EXPECT_EQ(before.disk_bytes_written, before.disk_bytes);
        EXPECT_EQ(before.payload_bytes_written, before.payload_bytes);
        EXPECT_EQ(before.dead_bytes, 0U);
        expect_same_books(before, SlowFolder(files_of(folder)));
    }
    SegmentStore store(folder, rules(1 << 20, 8 << 20));
    auto const after = store.counters();
    EXPECT_EQ(after.entries, before.entries);
    EXPECT_EQ(after.payload_bytes, before.payload_bytes);
    EXPECT_EQ(after.disk_bytes, before.disk_bytes);
    EXPECT_EQ(after.dead_bytes, before.dead_bytes);
    EXPECT_EQ(after.segments, before.segments);
    EXPECT_EQ(after.corrupt_records + after.torn_bytes + after.short_reads + after.read_errors, 0U);
    expect_all(store);
}

TEST_P(Modes, PutManyAsOneByOne) {
    std::vector<std::string> bytes;
    std::vector<BlockToStore> blocks;
    for (std::uint64_t i = 0; i < 200; ++i)
        bytes.push_back(bytes_of(i, i == 100 ? 2 << 20 : size_of(i)));  // one too large
    for (std::uint64_t i = 0; i < 200; ++i) blocks.push_back({key_of(i), as_span(bytes[i])});
    SegmentStore store(folder, rules(1 << 20, 64 << 20));
    EXPECT_EQ(store.put_many(blocks), 199U);
    EXPECT_EQ(store.counters().too_large, 1U);
    for (std::uint64_t i = 0; i < 200; ++i)
        EXPECT_EQ(got(store, i), i == 100 ? std::nullopt : std::optional(bytes[i])) << i;
    store.flush();
    expect_same_books(store.counters(), SlowFolder(files_of(folder)));
}

TEST_P(Modes, ForgetWhatIsErasedAlsoAfterARestart) {
    {
        SegmentStore store(folder, rules(256 << 10, 8 << 20));
        for (std::uint64_t i = 0; i < 300; ++i) store.put(key_of(i), as_span(bytes_of(i, 5000)));
        for (std::uint64_t i = 0; i < 300; i += 2) EXPECT_TRUE(store.erase(key_of(i)));
        EXPECT_FALSE(store.erase(key_of(0)));
        EXPECT_FALSE(store.erase(key_of(300)));
        EXPECT_EQ(store.counters().erases, 150U);
        store.put(key_of(10), as_span(bytes_of(10, 70, 1)));  // comes back, with other bytes
        store.put(key_of(11), as_span(bytes_of(11, 70, 1)));  // is replaced
    }
    SegmentStore store(folder, rules(256 << 10, 8 << 20));
    expect_same_books(store.counters(), SlowFolder(files_of(folder)));
    EXPECT_EQ(store.counters().entries, 151U);
    for (std::uint64_t i = 0; i < 300; ++i) {
        auto const again = i == 10 || i == 11;
        EXPECT_EQ(store.holds(key_of(i)), i % 2 == 1 || again) << i;
        if (store.holds(key_of(i))) {
            EXPECT_EQ(got(store, i), bytes_of(i, again ? 70 : 5000, again)) << i;
        }
    }
}

TEST_P(Modes, HoldTheBudgetByEvictingTheOldest) {
    constexpr std::uint64_t budget = 400'000;  // neither a multiple of segments nor of pages
    auto const kept = rules(100'000, budget);
    std::map<BlockKey, std::uint64_t> evicted;
    std::uint64_t first_held = 0;
    {
        SegmentStore store(folder, kept);
        store.on_eviction([&](BlockKey const& key, std::uint64_t bytes) { evicted[key] = bytes; });
        for (std::uint64_t i = 0; i < 500; ++i) {
            store.put(key_of(i), as_span(bytes_of(i, 1 + i * 37 % 9000)));
            std::uint64_t on_disk = 0;
            for (auto const& entry : std::filesystem::directory_iterator(folder)) on_disk += entry.file_size();
            ASSERT_LE(on_disk, budget);
            ASSERT_EQ(on_disk, store.counters().disk_bytes);
            ASSERT_GE(on_disk + kept.segment_bytes,
                      i < 100 ? 0 : budget - kept.segment_bytes);  // no more goes than must
        }
        while (!store.holds(key_of(first_held))) ++first_held;
        for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(got(store, i).has_value(), i >= first_held) << i;
        auto const counters = store.counters();
        EXPECT_EQ(counters.entries_evicted, first_held);
        EXPECT_EQ(evicted.size(), first_held);
        std::uint64_t bytes = 0;
        for (std::uint64_t i = 0; i < first_held; ++i) {
            EXPECT_EQ(evicted[key_of(i)], 1 + i * 37 % 9000);
            bytes += evicted[key_of(i)];
        }
        EXPECT_EQ(counters.payload_bytes_evicted, bytes);
        EXPECT_EQ(counters.puts, counters.entries + counters.entries_evicted);
        EXPECT_EQ(counters.payload_bytes_written, counters.payload_bytes + counters.payload_bytes_evicted);
        EXPECT_GT(counters.write_amplification(), 1);
    }
    {
        SegmentStore const store(folder, kept);
        EXPECT_EQ(store.counters().entries, 500 - first_held);
        expect_same_books(store.counters(), SlowFolder(files_of(folder)));
    }
    // A smaller budget takes effect when the folder is opened.
    SegmentStore const store(folder, rules(50'000, 100'000));
    EXPECT_LE(store.counters().disk_bytes, 100'000U);
    expect_same_books(store.counters(), SlowFolder(files_of(folder)));
}

TEST_P(Modes, RemoveTheOldestSegmentsWhenAllInThemIsErased) {
    SegmentStore store(folder, rules(64 << 10, 8 << 20));
    for (std::uint64_t i = 0; i < 100; ++i) store.put(key_of(i), as_span(bytes_of(i, 4000)));
    auto const before = store.counters();
    for (std::uint64_t i = 0; i < 90; ++i) store.erase(key_of(i));
    store.flush();
    auto const after = store.counters();
    EXPECT_EQ(after.entries, 10U);
    EXPECT_GE(after.segments_emptied, before.segments - 4);
    EXPECT_EQ(after.segments_evicted, 0U);
    expect_same_books(after, SlowFolder(files_of(folder)));
}

TEST_P(Modes, RefuseASecondStoreOnTheFolder) {
    SegmentStore const store(folder, rules(1 << 20, 8 << 20));
    try {
        SegmentStore const second(folder, rules(1 << 20, 8 << 20));
        FAIL() << "two stores on one folder";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), HasSubstr(folder));
        EXPECT_THAT(error.what(), HasSubstr("another process has this store of segments open"));
    }
}

TEST_P(Modes, ReadWhileOthersWriteAndEvict) {
    SegmentStore store(folder, rules(128 << 10, 512 << 10));
    std::vector<BlockKey> keys;
    for (std::uint64_t i = 0; i < 600; ++i) keys.push_back(key_of(i));
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 2; ++reader)
        readers.emplace_back([&] {
            for (int round = 0; round < 10; ++round)
                store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
                    if (block) {
                        EXPECT_EQ(text_of(*block), bytes_of(i, 3000)) << i;
                    }
                });
        });
    for (std::uint64_t i = 0; i < 600; ++i) {
        store.put(keys[i], as_span(bytes_of(i, 3000)));
        if (i % 3 == 0) store.erase(keys[i / 2]);
    }
    for (auto& reader : readers) reader.join();
    auto const counters = store.counters();
    EXPECT_EQ(counters.corrupt_records, 0U);
    EXPECT_EQ(counters.read_errors, 0U);
    EXPECT_EQ(counters.gets, 12'000U);
    EXPECT_EQ(counters.puts, counters.entries + counters.entries_evicted + counters.erases);
}

INSTANTIATE_TEST_SUITE_P(Segments, Modes,
                         testing::Combine(testing::Values(SegmentIo::buffered, SegmentIo::direct, SegmentIo::io_uring),
                                          testing::Values(SegmentSync::none, SegmentSync::segment, SegmentSync::entry)),
                         [](auto const& run) {
                             return name_of(std::get<0>(run.param)) + "_" + name_of(std::get<1>(run.param));
                         });

TEST(SegmentStore, EndsWhatASinkEnds) {
    ScratchFolder const scratch;
    for (auto const io : {SegmentIo::buffered, SegmentIo::direct, SegmentIo::io_uring}) {
        SegmentStore store(scratch.path(), {.segment_bytes = 1 << 20, .budget_bytes = 4 << 20, .io = io});
        std::vector<BlockKey> keys;
        for (std::uint64_t i = 0; i < 50; ++i) {
            keys.push_back(key_of(i));
            store.put(keys.back(), as_span(bytes_of(i, 10'000)));
        }
        int told = 0;
        auto const end = [&](std::size_t, std::optional<StoredBlock>) {
            if (++told == 3) throw std::runtime_error("enough");
        };
        EXPECT_THROW(store.get_many(keys, end), std::runtime_error);
        EXPECT_EQ(told, 3);
        int more = 0;
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            more += block && text_of(*block) == bytes_of(i, 10'000);
        });
        EXPECT_EQ(more, 50);
    }
}

TEST(SegmentStore, LetsItsSinkCallIt) {
    ScratchFolder const scratch;
    SegmentStore store(scratch.path(), {.segment_bytes = 1 << 20, .budget_bytes = 4 << 20, .io = SegmentIo::io_uring});
    std::vector<BlockKey> keys;
    for (std::uint64_t i = 0; i < 50; ++i) {
        keys.push_back(key_of(i));
        store.put(keys.back(), as_span(bytes_of(i, 10'000)));
    }
    store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
        ASSERT_TRUE(block);
        EXPECT_EQ(got(store, i), text_of(*block));
        EXPECT_TRUE(store.erase(keys[i]));
        EXPECT_TRUE(store.put(key_of(1000 + i), block->bytes()));
    });
    EXPECT_EQ(store.counters().entries, 50U);
}

TEST(SegmentStore, LeavesOtherFilesAlone) {
    ScratchFolder const scratch;
    auto const kept = {"segment-1.kvs", "segment-00000000000000zz.kvs", "segment-0000000000000001.kvs.bak", "notes"};
    for (auto const* name : kept) scratch.write(name, "somebody's");
    {
        SegmentStore store(scratch.path(), {.segment_bytes = 8192, .budget_bytes = 16'384});
        for (std::uint64_t i = 0; i < 10; ++i) store.put(key_of(i), as_span(bytes_of(i, 3000)));
        EXPECT_EQ(store.counters().disk_bytes, 16'384U);
    }
    auto const files = files_of(scratch.path());
    for (auto const* name : kept) EXPECT_EQ(files.at(scratch / name), "somebody's");
}

TEST(SegmentStore, RefusesRulesThatMakeNoSense) {
    ScratchFolder const scratch;
    for (auto const& rules : {SegmentRules{.segment_bytes = 4095}, SegmentRules{.segment_bytes = (1U << 30) + 1},
                              SegmentRules{.segment_bytes = 8192, .budget_bytes = 16'383},
                              SegmentRules{.reads_in_flight = 0}, SegmentRules{.reads_in_flight = 4097}})
        EXPECT_THROW(SegmentStore(scratch.path(), rules), ConfigError);
    EXPECT_THROW(SegmentStore(scratch.write("file", ""), {}), SystemError);
    EXPECT_EQ(segment_io("io_uring"), SegmentIo::io_uring);
    EXPECT_EQ(segment_sync("entry"), SegmentSync::entry);
    try {
        segment_io("mmap");
        FAIL();
    } catch (ConfigError const& error) {
        EXPECT_THAT(error.what(), HasSubstr("accepted: buffered, direct, io_uring"));
    }
}

}  // namespace
}  // namespace kvstone
