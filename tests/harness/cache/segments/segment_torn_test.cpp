// Segments that were cut, filled with zeros, altered in every bit, or lost: found blocks are right.

#include <gtest/gtest.h>

#include "tests/harness/cache/segments/memory_files.hpp"
#include "tests/harness/cache/segments/segment_blocks.hpp"

namespace kvstone {
namespace {

constexpr SegmentRules rules{.segment_bytes = 64 << 10, .budget_bytes = 1 << 20};
/// Sizes of the blocks 0, 1, ... in the first segment; the last takes two pages.
constexpr std::size_t sizes[] = {50, 4000, 300, 5000};
constexpr std::uint64_t count = std::size(sizes);
constexpr std::size_t last_start = 4 * 4096;  // block 1 takes two pages, too

/// Blocks 0 to 3, and in segments of their own behind them `more` blocks from 100 on.
std::map<std::string, std::string> written(std::uint64_t more) {
    MemoryFiles files;
    SegmentStore store("cold", rules, files);
    for (std::uint64_t i = 0; i < count; ++i) store.put(key_of(i), as_span(bytes_of(i, sizes[i])));
    for (std::uint64_t i = 100; i < 100 + more; ++i) store.put(key_of(i), as_span(bytes_of(i, 60'000)));
    return files.contents();
}

void expect_right_or_missing(SegmentStore& store, std::uint64_t number, std::size_t size) {
    auto const found = got(store, number);
    if (found) {
        EXPECT_EQ(found, bytes_of(number, size));
    }
}

/// With the first segment's bytes as they are given: blocks 0 to 2 are there, and the last, or not. Returns whether it is.
bool opened(std::map<std::string, std::string> files, std::string const& first) {
    MemoryFiles folder;
    files["cold/" + segment_name(1)] = first;
    for (auto const& [path, bytes] : files) folder.write(path, bytes);
    auto last_is_there = false;
    {
        SegmentStore store("cold", rules, folder);
        for (std::uint64_t i = 0; i + 1 < count; ++i) EXPECT_EQ(got(store, i), bytes_of(i, sizes[i]));
        auto const last = got(store, count - 1);
        last_is_there = last.has_value();
        if (last) {
            EXPECT_EQ(last, bytes_of(count - 1, sizes[count - 1]));
        }
        EXPECT_EQ(store.holds(key_of(count - 1)), last_is_there);
        expect_same_books(store.counters(), SlowFolder(folder.contents()));
        // Blocks put behind the tear are found by the next store.
        store.put(key_of(7), as_span(bytes_of(7, 9000)));
    }
    SegmentStore store("cold", rules, folder);
    EXPECT_EQ(got(store, 7), bytes_of(7, 9000));
    EXPECT_EQ(got(store, count - 1).has_value(), last_is_there);
    expect_same_books(store.counters(), SlowFolder(folder.contents()));
    return last_is_there;
}

/// `more`: whether there is a later segment, so that the torn one is not the newest.
class Torn : public testing::TestWithParam<int> {
  protected:
    std::map<std::string, std::string> const files = written(static_cast<std::uint64_t>(GetParam()));
    std::string const first = files.at("cold/" + segment_name(1));
};

TEST_P(Torn, AtEveryByteOfTheLastRecord) {
    ASSERT_EQ(first.size(), last_start + 2 * 4096);
    for (auto length = last_start; length < first.size() && !HasFailure(); ++length)
        EXPECT_FALSE(opened(files, first.substr(0, length))) << length;
    EXPECT_TRUE(opened(files, first));
}

TEST_P(Torn, WithZerosFromEveryByteOfTheLastRecordOn) {
    auto const end_of_payload = last_start + 128 + sizes[count - 1];
    auto const zeroed = [&](std::size_t from) {
        return std::string(first).replace(from, first.npos, first.size() - from, '\0');
    };
    for (auto from = last_start; from <= first.size() && !HasFailure(); ++from) {
        // Bytes that were zeros before are not torn.
        EXPECT_EQ(opened(files, zeroed(from)), from >= end_of_payload || zeroed(from) == first) << from;
    }
}

TEST_P(Torn, WithZerosBehindTheLastRecord) {
    for (auto const more : {1, 4095, 4096, 4097, 50'000}) EXPECT_TRUE(opened(files, first + std::string(more, '\0')));
}

/// Every bit of a file with a block, another, and the erasure of a third.
TEST_P(Torn, InEveryBit) {
    auto four_pages = rules;
    four_pages.segment_bytes = 4 * 4096;
    MemoryFiles folder;
    {
        SegmentStore store("cold", four_pages, folder);
        for (std::uint64_t i = 0; i < 3; ++i) store.put(key_of(i), as_span(bytes_of(i, 20 + i)));
        store.erase(key_of(1));
        store.flush();
        if (GetParam() > 0) store.put(key_of(100), as_span(bytes_of(100, 500)));
    }
    auto const name = "cold/" + segment_name(1);
    auto const good = folder.contents();
    auto const size = good.at(name).size();
    ASSERT_EQ(size, 4U * 4096);
    for (std::size_t bit = 0; bit < 8 * size && !HasFailure(); ++bit) {
        for (auto const& [path, bytes] : good) folder.write(path, bytes);
        folder.bytes(name)[bit / 8] ^= static_cast<char>(1U << bit % 8);
        SegmentStore store("cold", four_pages, folder);
        auto const record = bit / 8 / 4096;
        auto const covered = bit / 8 % 4096 < 128 + (record < 3 ? 20 + record : 40);
        for (std::uint64_t i = 0; i < 3; ++i) {
            // The erased block is back where nothing says any longer that it was erased.
            auto const there = i == 1 ? record == 3 && covered : !(i == record && covered);
            auto const found = got(store, i);
            EXPECT_EQ(found.has_value(), there) << "block " << i << ", bit " << bit;
            if (found) {
                EXPECT_EQ(found, bytes_of(i, 20 + i));
            }
        }
        if (GetParam() > 0) {
            EXPECT_EQ(got(store, 100), bytes_of(100, 500));
        }
        expect_same_books(store.counters(), SlowFolder(folder.contents()));
    }
}

INSTANTIATE_TEST_SUITE_P(Segments, Torn, testing::Values(0, 2),
                         [](auto const& run) { return run.param == 0 ? "newest" : "older"; });

TEST(LostSegments, AreMisses) {
    auto const files = written(3);
    ASSERT_EQ(files.size(), 4U);
    for (std::uint64_t lost = 1; lost <= 4; ++lost) {
        MemoryFiles folder;
        for (auto const& [path, bytes] : files) folder.write(path, bytes);
        folder.remove("cold/" + segment_name(lost));
        SegmentStore store("cold", rules, folder);
        for (std::uint64_t i = 0; i < count; ++i) EXPECT_EQ(got(store, i).has_value(), lost != 1);
        for (std::uint64_t i = 100; i < 103; ++i) EXPECT_EQ(got(store, i).has_value(), lost != i - 98);
        expect_same_books(store.counters(), SlowFolder(folder.contents()));
        // New segments get numbers that no other has.
        for (std::uint64_t i = 200; i < 203; ++i) store.put(key_of(i), as_span(bytes_of(i, 60'000)));
        for (std::uint64_t i = 200; i < 203; ++i) EXPECT_EQ(got(store, i), bytes_of(i, 60'000));
    }
}

TEST(LostSegments, AreMissesWhileTheStoreIsOpen) {
    for (auto const io : {SegmentIo::direct, SegmentIo::io_uring}) {
        MemoryFiles folder;
        auto few = rules;
        few.io = io;
        SegmentStore store("cold", few, folder);
        for (std::uint64_t i = 0; i < 200; ++i) store.put(key_of(i), as_span(bytes_of(i, 40)));
        for (auto const& [path, bytes] : folder.contents()) folder.remove(path);
        for (std::uint64_t i = 0; i < 200; ++i) expect_right_or_missing(store, i, 40);
    }
}

/// Bytes that are a record elsewhere are none here: segments copied over others give nothing, not something else.
TEST(CopiedSegments, HoldNothing) {
    auto const files = written(2);
    MemoryFiles folder;
    folder.write("cold/" + segment_name(1), files.at("cold/" + segment_name(2)));
    folder.write("cold/" + segment_name(2), files.at("cold/" + segment_name(1)));
    folder.write("cold/" + segment_name(3), std::string(4096, 'x') + files.at("cold/" + segment_name(3)));
    SegmentStore const store("cold", rules, folder);
    EXPECT_EQ(store.counters().entries, 0U);
    expect_same_books(store.counters(), SlowFolder(folder.contents()));
}

}  // namespace
}  // namespace kvstone
