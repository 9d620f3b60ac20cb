// Keys of blocks, and the table that finds their slots.

#include "harness/cache/block_key.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "harness/cache/flat_index.hpp"

namespace kvstone {
namespace {

std::string hex(BlockKey const& key) { return fmt::format("{:02x}", fmt::join(key, "")); }

TEST(BlockKeys, AreChainedSha256) {
    // Python: sha256(bytes(32) + struct.pack("<16I", *range(16))), and that digest before the next 16.
    std::vector<std::uint32_t> tokens(32);
    std::iota(tokens.begin(), tokens.end(), 0U);
    auto const keys = block_keys(plain_root_key, tokens, 16);
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(hex(keys[0]), "aa330374288acbdcb5008f2959fd6df7d265c735fbb9b4b4c42ec2036accd6d3");
    EXPECT_EQ(hex(keys[1]), "8f3d3a653ef4f75ccd8845b6a76dd246da5b5e735809babef53877d21125357c");
    EXPECT_EQ(next_key(keys[0], std::span(tokens).subspan(16)), keys[1]);
    // A last block that is not full has a key of its own.
    tokens.push_back(7);
    auto const more = block_keys(plain_root_key, tokens, 16);
    ASSERT_EQ(more.size(), 3U);
    EXPECT_EQ(more[1], keys[1]);
    EXPECT_EQ(more[2], next_key(keys[1], std::span(tokens).subspan(32)));
    EXPECT_TRUE(block_keys(plain_root_key, {}, 16).empty());
}

TEST(BlockKeys, DependOnAllThatStoredBytesDependOn) {
    KeyNamespace const names{
        .source = "a", .element_type = "f16", .layout = "x", .codec = "nf4", .formats = "nf4=1", .block_tokens = 16};
    std::set<BlockKey> keys{root_key(names), plain_root_key};
    for (auto const member : {&KeyNamespace::source, &KeyNamespace::element_type, &KeyNamespace::layout,
                              &KeyNamespace::codec, &KeyNamespace::formats, &KeyNamespace::salt}) {
        auto other = names;
        other.*member += "b";
        keys.insert(root_key(other));
    }
    auto other = names;
    other.block_tokens = 32;
    keys.insert(root_key(other));
    EXPECT_EQ(keys.size(), 9U);
    EXPECT_EQ(root_key(names), root_key(KeyNamespace(names)));
}

/// Numbers that all fall to one place of a small table: every path of probing and closing gaps is gone.
struct Colliding {
    std::uint64_t value = 0;
    bool operator==(Colliding const&) const = default;
    auto operator<=>(Colliding const&) const = default;
};
[[maybe_unused]] std::uint64_t hash_of(Colliding key) { return key.value % 3 + (key.value << 40U); }

template <class Key>
void compare_with_map(std::uint64_t keys) {
    std::mt19937_64 random(5);
    FlatIndex<Key> index;
    std::map<Key, Slot> expected;
    for (int step = 0; step < 20'000; ++step) {
        Key const key{random() % keys};
        auto const found = expected.find(key);
        ASSERT_EQ(index.find(key), found == expected.end() ? no_slot : found->second);
        if (found == expected.end()) {
            auto const slot = index.add(key);
            ASSERT_TRUE(std::ranges::none_of(expected, [&](auto const& one) { return one.second == slot; }));
            expected[key] = slot;
        } else if (random() % 2 == 0) {
            index.remove(found->second);
            expected.erase(found);
        }
        ASSERT_EQ(index.size(), expected.size());
    }
    EXPECT_LE(index.slots(), keys) << "slots are used again";
    for (auto const& [key, slot] : expected) ASSERT_EQ(index.find(key), slot);
}

TEST(FlatIndexes, FindWhatAMapFinds) {
    compare_with_map<std::uint64_t>(100);
    compare_with_map<std::uint64_t>(3000);
    compare_with_map<Colliding>(60);
}

}  // namespace
}  // namespace kvstone
