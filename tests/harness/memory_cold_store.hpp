#pragma once
// Stands for the disk of a cold tier.

#include <cstring>
#include <map>
#include <utility>

#include "harness/workloads/tier/cold_store.hpp"

namespace kvstone {

/// Entries in memory, and the mistakes that a test asks for.
class MemoryColdStore : public ColdStore {
  public:
    void put(std::uint64_t block, std::span<std::byte const> entry) override {
        ++puts;
        entries[block].assign(entry.begin(), entry.end());
    }
    void get(std::span<std::uint64_t const> blocks, Sink const& sink) override {
        // Reads end in an order of their own.
        for (std::size_t i = blocks.size(); i-- > 0;) sink(i, read(blocks[i]));
    }
    void erase(std::uint64_t block) override { entries.erase(block); }
    bool holds(std::uint64_t block) const override { return entries.contains(block); }
    void flush() override {}
    std::vector<std::uint64_t> take_lost() override { return std::exchange(lost, {}); }
    SegmentCounters counters() const override {
        SegmentCounters counters;
        counters.entries = entries.size();
        return counters;
    }
    SegmentMode mode() const override { return {}; }

    virtual std::optional<StoredBlock> read(std::uint64_t block) {
        auto const found = entries.find(block);
        if (found == entries.end()) return std::nullopt;
        return stored(found->second);
    }
    static StoredBlock stored(std::span<std::byte const> bytes) {
        AlignedBytes record(bytes.size());
        std::memcpy(record.span().data(), bytes.data(), bytes.size());
        return {std::move(record), 0, bytes.size()};
    }

    std::map<std::uint64_t, std::vector<std::byte>> entries;
    std::vector<std::uint64_t> lost;
    std::uint64_t puts = 0;
};

}  // namespace kvstone
