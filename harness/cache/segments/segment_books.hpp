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

/// Which blocks are held and where, and what the segments take. It reads and writes nothing. Not thread-safe.
class SegmentBooks {
  public:
    std::optional<BlockPlace> find(BlockKey const& key) const;
    /// In place of an older one with this key. REQUIRES: its segment is there.
    void add(BlockKey const& key, BlockPlace const& place);
    /// Forgets a block that is held with this sequence or a lower one. False where there is none.
    bool forget(BlockKey const& key, std::uint64_t sequence);

    bool has_segment(std::uint64_t number) const { return segments_.contains(number); }
    void add_segment(std::uint64_t number) { segments_.try_emplace(number); }
    /// How long its file is.
    void set_segment_bytes(std::uint64_t number, std::uint64_t bytes);
    std::uint64_t segment_bytes(std::uint64_t number) const { return segments_.at(number).bytes; }
    /// 0 where there is none.
    std::uint64_t oldest_segment() const { return segments_.empty() ? 0 : segments_.begin()->first; }
    bool is_dead(std::uint64_t number) const { return segments_.at(number).entries == 0; }
    /// Forgets what a segment holds; returns it, in any order.
    std::vector<EvictedBlock> forget_blocks(std::uint64_t number);
    /// REQUIRES: it holds nothing.
    void remove_segment(std::uint64_t number);

    /// Everything under "what is there" of the counters.
    void count(SegmentCounters& counters) const;
    std::uint64_t disk_bytes() const { return disk_bytes_; }

  private:
    struct Segment {
        std::uint64_t bytes = 0;
        std::uint64_t entries = 0;
        std::vector<Slot> slots;  ///< of every block written to it; those gone since may have another place
    };
    void forget_slot(Slot slot);

    FlatIndex<BlockKey> index_;
    std::vector<BlockPlace> places_;  ///< by slot; segment 0: nobody has the slot
    std::map<std::uint64_t, Segment> segments_;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t live_disk_bytes_ = 0;
    std::uint64_t disk_bytes_ = 0;
};

}  // namespace kvstone
