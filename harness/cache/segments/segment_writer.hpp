#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <span>

#include "harness/cache/segments/record_batch.hpp"
#include "harness/cache/segments/segment_shared.hpp"
#include "harness/cache/segments/stored_block.hpp"

namespace kvstone {

/// Appends to the newest segment, opens the next, removes the oldest. Errors are SystemErrors. Not thread-safe.
class SegmentWriter {
  public:
    /// Called for each block of a segment that is evicted.
    using EvictionSink = std::function<void(BlockKey const& key, std::uint64_t payload_bytes)>;

    explicit SegmentWriter(SegmentShared& shared) : shared_(shared) {}

    /// Continues behind the records that were found: numbers and sequences grow. `newest` 0, or a segment to append to.
    void go_on(std::uint64_t newest, std::uint64_t next_segment, std::uint64_t next_sequence);
    void on_eviction(EvictionSink sink) { sink_ = std::move(sink); }

    bool fits(std::uint64_t payload_bytes) const { return record_bytes(payload_bytes) <= shared_.rules.segment_bytes; }
    /// Writes as many of the first blocks as fit one call; returns the number. REQUIRES: there is a block, and the
    /// first fits.
    std::size_t put_some(std::span<BlockToStore const> blocks);
    bool erase(BlockKey const& key);
    /// Makes all puts and erasures durable.
    void flush();
    /// Writes the pending erasures, where that is possible.
    void close() noexcept;
    /// Evicts until the budget has room for this many bytes more.
    void make_room(std::uint64_t bytes);

  private:
    struct PendingErasure {
        Erasure erasure;
        std::uint64_t segment = 0;  ///< where the block lies
    };

    void make_place(std::uint64_t bytes);  ///< gives the newest segment this much room
    void start_batch();
    void write_batch();
    void write_bytes();
    void take_back();
    void write_erasures();
    void sync(std::uint64_t number);
    int sync_folder();  ///< 0, or a negative error
    void remove_segment(std::uint64_t number);
    void remove_dead_segments();
    [[noreturn]] void fail(std::string const& what, int error);
    std::uint64_t newest_bytes() const;

    SegmentShared& shared_;
    EvictionSink sink_;
    RecordBatch batch_;
    std::uint64_t newest_ = 0;  ///< 0: there is none to append to
    std::uint64_t next_segment_ = 1;
    std::uint64_t next_sequence_ = 1;
    std::deque<PendingErasure> erasures_;  ///< not yet written
    std::set<std::uint64_t> unsynced_;     ///< segments
    bool folder_unsynced_ = false;         ///< it has a new file
};

}  // namespace kvstone
