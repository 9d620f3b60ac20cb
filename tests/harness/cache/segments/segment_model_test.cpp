// A store of segments against a map, over long random lives: puts, replacements, erasures, evictions, restarts.

#include <gtest/gtest.h>

#include "tests/harness/cache/segments/memory_files.hpp"
#include "tests/harness/cache/segments/segment_blocks.hpp"

namespace kvstone {
namespace {

class Lives : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Lives, AgreeWithAMap) {
    std::mt19937_64 random(GetParam());
    SegmentRules const rules{.segment_bytes = 40'000 + random() % 40'000,
                             .budget_bytes = 200'000 + random() % 400'000,
                             .io = static_cast<SegmentIo>(random() % 3),
                             .sync = static_cast<SegmentSync>(random() % 3),
                             .reads_in_flight = 1 + static_cast<unsigned>(random() % 8)};
    MemoryFiles files;
    std::map<std::uint64_t, std::string> held;
    std::map<BlockKey, std::uint64_t> numbers;
    std::vector<BlockKey> keys;
    for (std::uint64_t i = 0; i < 150; ++i) numbers[keys.emplace_back(key_of(i))] = i;
    std::uint64_t version = 0;
    bool putting_many = false;
    for (int life = 0; life < 12 && !HasFailure(); ++life) {
        SegmentStore store("cold", rules, files);
        store.on_eviction([&](BlockKey const& key, std::uint64_t payload_bytes) {
            auto const found = held.find(numbers.at(key));
            if (found == held.end() && putting_many) return;  // put in the same call
            ASSERT_NE(found, held.end());
            EXPECT_TRUE(putting_many || found->second.size() == payload_bytes);
            held.erase(found);
        });
        expect_same_books(store.counters(), SlowFolder(files.contents()));
        for (int step = 0; step < 300; ++step) {
            auto const number = random() % keys.size();
            switch (random() % 8) {
                case 0:
                case 1:
                    EXPECT_EQ(store.erase(keys[number]), held.erase(number) == 1);
                    break;
                case 2: {
                    std::vector<std::string> bytes;
                    std::vector<BlockToStore> blocks;
                    for (std::uint64_t i = 0; i < 10; ++i) bytes.push_back(bytes_of(i, random() % 20'000, ++version));
                    for (std::uint64_t i = 0; i < 10; ++i)
                        blocks.push_back({keys[(number + i) % 150], as_span(bytes[i])});
                    putting_many = true;
                    EXPECT_EQ(store.put_many(blocks), 10U);
                    putting_many = false;
                    // An early one may be evicted by a late one.
                    for (std::uint64_t i = 0; i < 10; ++i)
                        if (store.holds(blocks[i].key)) held[(number + i) % 150] = bytes[i];
                    break;
                }
                case 3: {
                    auto const block = store.get(keys[number]);
                    ASSERT_EQ(block.has_value(), held.contains(number));
                    if (block) {
                        EXPECT_EQ(text_of(*block), held[number]);
                    }
                    break;
                }
                default: {
                    auto bytes = bytes_of(number, random() % 20'000, ++version);
                    EXPECT_TRUE(store.put(keys[number], as_span(bytes)));
                    held[number] = std::move(bytes);
                }
            }
            auto const counters = store.counters();
            ASSERT_EQ(counters.entries, held.size());
            ASSERT_LE(counters.disk_bytes, rules.budget_bytes);
        }
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            ASSERT_EQ(block.has_value(), held.contains(i));
            if (block) {
                EXPECT_EQ(text_of(*block), held[i]);
            }
        });
        EXPECT_EQ(store.counters().corrupt_records + store.counters().short_reads, 0U);
        store.flush();
        SlowFolder const slow(files.contents());
        expect_same_books(store.counters(), slow);
        for (auto const& [number, bytes] : held) EXPECT_EQ(slow.blocks.at(keys[number]), bytes);
    }
    EXPECT_EQ(files.open_files(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Segments, Lives, testing::Range<std::uint64_t>(0, 20));

}  // namespace
}  // namespace kvstone
