#pragma once
// Policies that choose the block that leaves a full cache.

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "harness/cache/slot_list.hpp"

namespace kvstone {

/// Blocks that must not be evicted: slots with the mark of the request under way.
struct Pins {
    std::vector<std::uint32_t> const& marks;
    std::uint32_t request;
    bool hold(Slot slot) const { return slot < marks.size() && marks[slot] == request; }
};

/// A position of the trace at which a block is looked up again; never_again: it is not.
inline constexpr std::uint64_t never_again = std::numeric_limits<std::uint64_t>::max();

/// Orders the blocks of one cache. Sizes are in the unit of its capacity: blocks, or bytes.
///
/// A policy may remember slots whose blocks have left (ghosts). take_forgotten() has every slot that it stops knowing,
/// left or forgotten: its number may then stand for another block.
class EvictionPolicy {
  public:
    virtual ~EvictionPolicy() = default;

    /// Called when a block that is not in the cache is about to enter, before the victims that make room for it. A
    /// ghost of it is a ghost no longer.
    virtual void missed(Slot /*slot*/) {}
    /// The block that was missed enters.
    virtual void insert(Slot slot, std::uint64_t size, std::uint64_t next_use) = 0;
    /// A block in the cache was used.
    virtual void touch(Slot slot, std::uint64_t next_use) = 0;
    /// The block that leaves to make room, and has left on return; no_slot where all are pinned, or the cache is empty.
    virtual Slot victim(Pins const& pins) = 0;
    /// Removes a block for another reason: no ghost of it stays.
    virtual void erase(Slot slot) = 0;

    template <class Take>
    void take_forgotten(Take const& take) {
        for (auto const slot : forgotten_) take(slot);
        forgotten_.clear();
    }

  protected:
    void forget(Slot slot) { forgotten_.push_back(slot); }
    /// The oldest slot in a list that is not pinned; no_slot where there is none.
    static Slot oldest_free(SlotList const& list, Pins const& pins) {
        auto slot = list.oldest();
        while (slot != no_slot && pins.hold(slot)) slot = list.newer(slot);
        return slot;
    }
    /// Takes out the oldest ghosts until the others are no larger than `most`, and calls `drop` for each.
    template <class Drop>
    static void shorten(SlotList& ghosts, std::uint64_t most, Drop const& drop) {
        while (ghosts.size() > most) {
            auto const oldest = ghosts.oldest();
            ghosts.remove(oldest);
            drop(oldest);
        }
    }

  private:
    std::vector<Slot> forgotten_;
};

/// The names of policies: lru, fifo, lfu, s3fifo, arc, 2q, belady.
std::vector<std::string> const& policy_names();
/// REQUIRES: one of the names.
std::unique_ptr<EvictionPolicy> make_policy(std::string const& name, std::uint64_t capacity);

/// Evicts the block that was used (LRU) or that entered (FIFO) longest ago.
std::unique_ptr<EvictionPolicy> make_lru();
std::unique_ptr<EvictionPolicy> make_fifo();
/// Evicts the block used least often since it entered; among equals the one whose last use is longest ago.
std::unique_ptr<EvictionPolicy> make_lfu();
/// S3-FIFO (Yang and others, SOSP 2023): a small queue of 10% and a main one, ghosts of 90%. Blocks used twice in the
/// small queue move to the main one; there each use, up to 3, buys another round. A ghost that comes again enters the
/// main queue.
std::unique_ptr<EvictionPolicy> make_s3_fifo(std::uint64_t capacity);
/// ARC (Megiddo and Modha, FAST 2003), with sizes in place of its counts.
std::unique_ptr<EvictionPolicy> make_arc(std::uint64_t capacity);
/// 2Q, full version (Johnson and Shasha, VLDB 1994): new blocks queue in 25%, ghosts of 50%, LRU for blocks that come
/// again.
std::unique_ptr<EvictionPolicy> make_two_queues(std::uint64_t capacity);
/// Belady's MIN: evicts the block whose next use is furthest away, among equals the one that entered or was used last.
/// It needs next_use; like the others, it takes every block.
std::unique_ptr<EvictionPolicy> make_belady();

}  // namespace kvstone
