#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "harness/cache/flat_index.hpp"
#include "harness/cache/segments/record.hpp"
#include "harness/cache/segments/segment_rules.hpp"

namespace kvstone {

/// Where a block lies.
struct BlockPlace {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t sequence = 0;
};

struct EvictedBlock {
    BlockKey key{};
    std::uint64_t payload_bytes = 0;
};

/// The accounts of a store of segments: the places of its blocks, and the sizes of its segments. It reads and writes no
/// files. Not thread-safe.
class SegmentBooks {
  public:
    std::optional<BlockPlace> find(BlockKey const& key) const;
    /// Replaces an older block with this key. REQUIRES: its segment exists.
    void add(BlockKey const& key, BlockPlace const& place);
    /// Forgets a block with this sequence or a lower one. False where there is none.
    bool forget(BlockKey const& key, std::uint64_t sequence);

    bool has_segment(std::uint64_t number) const { return segments_.contains(number); }
    void add_segment(std::uint64_t number) { segments_.try_emplace(number); }
    /// Sets the length of a segment's file.
    void set_segment_bytes(std::uint64_t number, std::uint64_t bytes);
    std::uint64_t segment_bytes(std::uint64_t number) const { return segments_.at(number).bytes; }
    /// 0 where there is no segment.
    std::uint64_t oldest_segment() const { return segments_.empty() ? 0 : segments_.begin()->first; }
    bool is_dead(std::uint64_t number) const { return segments_.at(number).entries == 0; }
    /// Forgets the blocks of a segment; returns them, in any order.
    std::vector<EvictedBlock> forget_blocks(std::uint64_t number);
    /// REQUIRES: the segment has no blocks.
    void remove_segment(std::uint64_t number);

    /// Fills the counters of the present content.
    void count(SegmentCounters& counters) const;
    std::uint64_t disk_bytes() const { return disk_bytes_; }

  private:
    struct Segment {
        std::uint64_t bytes = 0;
        std::uint64_t entries = 0;
        std::vector<Slot> slots;  ///< of every block written to it; removed ones may have another place by now
    };
    void forget_slot(Slot slot);

    FlatIndex<BlockKey> index_;
    std::vector<BlockPlace> places_;  ///< by slot; segment 0: the slot is free
    std::map<std::uint64_t, Segment> segments_;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t live_disk_bytes_ = 0;
    std::uint64_t disk_bytes_ = 0;
};

}  // namespace kvstone
