#pragma once
// Blocks for stores of segments, and the content of a folder of segments, read by other code than the store's.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <xxhash.h>

#include "harness/cache/segments/segment_store.hpp"

namespace kvstone {

inline BlockKey key_of(std::uint64_t number) {
    BlockKey key{};
    std::mt19937_64 random(number);
    for (auto& byte : key) byte = static_cast<std::uint8_t>(random());
    return key;
}

/// Bytes that differ from those of every other number and version.
inline std::string bytes_of(std::uint64_t number, std::size_t count, std::uint64_t version = 0) {
    std::string bytes(count, '\0');
    std::mt19937_64 random(1000 * number + version + 1);
    for (std::size_t at = 0; at < count; at += 8) {
        auto const eight = random();
        std::memcpy(&bytes[at], &eight, std::min<std::size_t>(8, count - at));
    }
    return bytes;
}

inline std::span<std::byte const> as_span(std::string const& text) { return std::as_bytes(std::span(text)); }
inline std::string text_of(StoredBlock const& block) {
    auto const bytes = block.bytes();
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}
inline std::optional<std::string> got(SegmentStore& store, std::uint64_t number) {
    auto const block = store.get(key_of(number));
    if (!block) return std::nullopt;
    return text_of(*block);
}

inline std::string segment_name(std::uint64_t number) {
    char name[40];
    std::snprintf(name, sizeof name, "segment-%016llx.kvs", static_cast<unsigned long long>(number));
    return name;
}

/// Reads the content of a folder's segments by the description of the format alone.
struct SlowFolder {
    std::map<BlockKey, std::string> blocks;
    std::uint64_t disk_bytes = 0;
    std::uint64_t payload_bytes = 0;

    /// Paths and bytes of files; others than segments are left out.
    explicit SlowFolder(std::map<std::string, std::string> const& files) {
        std::map<BlockKey, std::uint64_t> sequences;
        for (auto const& [path, bytes] : files) {  // in the order of their numbers, which is that of their names
            auto const name = path.substr(path.rfind('/') + 1);
            if (name.size() != 28 || !name.starts_with("segment-")) continue;
            disk_bytes += bytes.size();
            read(bytes, std::stoull(name.substr(8, 16), nullptr, 16), sequences);
        }
        for (auto const& [key, block] : blocks) payload_bytes += block.size();
    }

  private:
    static std::uint64_t number_at(std::string const& bytes, std::size_t at) {
        std::uint64_t number = 0;
        for (std::size_t i = 8; i-- > 0;) number = number * 256 + static_cast<unsigned char>(bytes[at + i]);
        return number;
    }
    static BlockKey key_at(std::string const& bytes, std::size_t at) {
        BlockKey key{};
        std::memcpy(key.data(), bytes.data() + at, key.size());
        return key;
    }
    void read(std::string const& bytes, std::uint64_t segment, std::map<BlockKey, std::uint64_t>& sequences) {
        for (std::size_t at = 0; at + 4096 <= bytes.size(); at += 4096) {
            auto const payload = at + 128;
            auto const length = number_at(bytes, at + 40);
            if (bytes.compare(at, 8, "KVSEGREC") != 0 || number_at(bytes, at + 120) != XXH3_64bits(&bytes[at], 120) ||
                number_at(bytes, at + 16) != segment || number_at(bytes, at + 24) != at ||
                length > bytes.size() - payload || number_at(bytes, at + 80) != XXH3_64bits(&bytes[payload], length) ||
                (payload + length + 4095) / 4096 * 4096 > bytes.size())
                continue;
            auto const sequence = number_at(bytes, at + 32);
            if (bytes[at + 12] == 1) {
                blocks[key_at(bytes, at + 48)] = bytes.substr(payload, length);
                sequences[key_at(bytes, at + 48)] = sequence;
            } else {
                for (auto erased = payload; erased < payload + length; erased += 40) {
                    auto const found = sequences.find(key_at(bytes, erased));
                    if (found == sequences.end() || found->second > number_at(bytes, erased + 32)) continue;
                    blocks.erase(found->first);
                    sequences.erase(found);
                }
            }
        }
    }
};

/// The present content, from a store's counters and from the slow reader.
inline void expect_same_books(SegmentCounters const& counters, SlowFolder const& slow) {
    EXPECT_EQ(counters.entries, slow.blocks.size());
    EXPECT_EQ(counters.payload_bytes, slow.payload_bytes);
    EXPECT_EQ(counters.disk_bytes, slow.disk_bytes);
    std::uint64_t live = 0;
    for (auto const& [key, bytes] : slow.blocks) live += (128 + bytes.size() + 4095) / 4096 * 4096;
    EXPECT_EQ(counters.dead_bytes, slow.disk_bytes - live);
}

}  // namespace kvstone
