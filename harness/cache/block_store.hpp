#pragma once
// The accounts of a prefix cache: the blocks that it holds, and the bytes that came and went. The bytes themselves are
// stored elsewhere (shared_store.hpp).

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/cache/eviction_policy.hpp"
#include "harness/cache/flat_index.hpp"

namespace kvstone {

/// The order in which the blocks of a request are used and written.
enum class WriteOrder : std::uint8_t {
    head_first,     ///< matched blocks are used, the deepest first; then new ones are written as a prefill makes them
    deepest_first,  ///< all from the deepest to the head, which stays the most recent: as vLLM frees them
};

struct StoreRules {
    std::string policy = "lru";            ///< see policy_names()
    std::uint64_t capacity = never_again;  ///< in blocks or bytes, the unit of sizes; unbounded by default
    WriteOrder order = WriteOrder::head_first;
    bool second_touch = false;        ///< a block is written at the second request for it
    std::int64_t ttl_ns = 0;          ///< how long a block is kept; 0: for ever
    bool ttl_from_hit = false;        ///< counted from its last use, not from its writing
    bool last_instant_counts = true;  ///< whether a block still exists at exactly this age
};

/// Sizes are in the unit of the capacity. lookups = hits + misses; size_written = size held + size_evicted + size_expired.
struct StoreCounters {
    std::uint64_t lookups = 0;
    std::uint64_t hits = 0;
    std::uint64_t writes = 0;
    std::uint64_t evictions = 0;
    std::uint64_t expirations = 0;
    std::uint64_t not_admitted = 0;  ///< blocks not written because no earlier request had asked for them
    std::uint64_t no_room = 0;  ///< blocks not written because all others were pinned, or because they are too large
    std::uint64_t size_written = 0;
    std::uint64_t size_evicted = 0;
    std::uint64_t size_expired = 0;
    bool operator==(StoreCounters const&) const = default;
};

/// The contents of a cache that keeps accounts alone: none.
struct NoContents {
    void enter(Slot /*slot*/, std::size_t /*block*/) {}
    void leave(Slot /*slot*/, bool /*expired*/) {}
};

/// Requests come one after the other, each in two steps: match(), then commit() with the facts that the request needs.
/// Between them, and while the commit makes room, the matched blocks are pinned. A hit is a block whose ancestors are
/// hits.
///
/// `Key` is BlockKey, or a number where keys are known to be chained. `Contents` is called for each block that enters a
/// slot, with the block's number in its request, and for each that leaves one, evicted or expired. Not thread-safe.
template <class Key, class Contents = NoContents>
class BlockStore {
  public:
    explicit BlockStore(StoreRules rules)
        : rules_(std::move(rules)), policy_(make_policy(rules_.policy, rules_.capacity)) {}

    Contents& contents() { return contents_; }
    Contents const& contents() const { return contents_; }
    /// The matched blocks of the last request, in its order.
    std::span<Slot const> matched() const { return matched_; }

    /// How many of a request's blocks, from its head on, are in the cache. REQUIRES: no request is older than the one
    /// before; no key occurs twice.
    std::uint64_t match(std::span<Key const> blocks, std::int64_t now_ns) {
        now_ns_ = now_ns;
        if (++request_ == 0) {  // marks of 2^32 requests ago would look new
            std::ranges::fill(marks_, 0U);
            request_ = 1;
        }
        expire();
        matched_.clear();
        for (auto const& key : blocks) {
            auto const slot = index_.find(key);
            if (slot == no_slot || !held_[slot]) break;
            marks_[slot] = request_;
            matched_.push_back(slot);
        }
        counters_.lookups += blocks.size();
        counters_.hits += matched_.size();
        return matched_.size();
    }

    /// Uses the matched blocks and writes the others. `size_of(i)` is the size of block i, `next_use_of(i)` the position at
    /// which it is looked up again (only Belady needs it). REQUIRES: match() was called with the same blocks.
    template <class SizeOf, class NextUseOf>
    void commit(std::span<Key const> blocks, SizeOf const& size_of, NextUseOf const& next_use_of) {
        auto const matched = matched_.size();
        auto const use_matched = [&] {
            for (auto i = matched; i-- > 0;) touch(matched_[i], next_use_of(i));
        };
        if (rules_.order == WriteOrder::head_first) {
            use_matched();
            for (auto i = matched; i < blocks.size(); ++i) write(blocks[i], i, size_of(i), next_use_of(i));
        } else {
            for (auto i = blocks.size(); i-- > matched;) write(blocks[i], i, size_of(i), next_use_of(i));
            use_matched();
        }
    }
    /// Commits where every block has one size.
    void commit(std::span<Key const> blocks, std::uint64_t size = 1) {
        commit(blocks, [size](std::size_t) { return size; }, [](std::size_t) { return never_again; });
    }

    bool holds(Key const& key) const {
        auto const slot = index_.find(key);
        return slot != no_slot && held_[slot];
    }
    std::uint64_t entries() const { return entries_; }
    std::uint64_t size() const { return size_; }
    StoreCounters const& counters() const { return counters_; }

  private:
    void touch(Slot slot, std::uint64_t next_use) {
        policy_->touch(slot, next_use);
        if (rules_.ttl_ns == 0 || !rules_.ttl_from_hit) return;
        since_[slot] = now_ns_;
        ages_.move_to_newest(slot);
    }

    void write(Key const& key, std::size_t block, std::uint64_t size, std::uint64_t next_use) {
        auto slot = index_.find(key);
        // Its ancestor had left the cache, so it was no hit.
        if (slot != no_slot && held_[slot]) return touch(slot, next_use);
        if (rules_.second_touch && seen_.find(key) == no_slot) {
            seen_.add(key);
            ++counters_.not_admitted;
            return;
        }
        if (size > rules_.capacity) {
            ++counters_.no_room;
            return;
        }
        if (slot == no_slot) slot = add(key);
        policy_->missed(slot);
        while (size_ > rules_.capacity - size) {
            auto const victim = policy_->victim({marks_, request_});
            if (victim == no_slot) {
                clear_forgotten();
                index_.remove(slot);
                ++counters_.no_room;
                return;
            }
            ++counters_.evictions;
            counters_.size_evicted += sizes_[victim];
            leave(victim, false);
        }
        policy_->insert(slot, size, next_use);
        clear_forgotten();
        contents_.enter(slot, block);
        held_[slot] = 1;
        sizes_[slot] = size;
        size_ += size;
        ++entries_;
        ++counters_.writes;
        counters_.size_written += size;
        if (rules_.ttl_ns == 0) return;
        since_[slot] = now_ns_;
        ages_.push_newest(slot, 0);
    }

    Slot add(Key const& key) {
        auto const slot = index_.add(key);
        if (slot >= held_.size()) {
            held_.resize(slot + std::size_t{1});
            sizes_.resize(held_.size());
            marks_.resize(held_.size());
            since_.resize(held_.size());
        }
        marks_[slot] = 0;
        return slot;
    }

    void expire() {
        if (rules_.ttl_ns == 0) return;
        for (auto slot = ages_.oldest(); slot != no_slot; slot = ages_.oldest()) {
            auto const age = now_ns_ - since_[slot];
            if (rules_.last_instant_counts ? age <= rules_.ttl_ns : age < rules_.ttl_ns) break;
            ++counters_.expirations;
            counters_.size_expired += sizes_[slot];
            policy_->erase(slot);
            leave(slot, true);
        }
        clear_forgotten();
    }

    void leave(Slot slot, bool expired) {
        contents_.leave(slot, expired);
        held_[slot] = 0;
        size_ -= sizes_[slot];
        --entries_;
        if (rules_.ttl_ns != 0) ages_.remove(slot);
    }
    void clear_forgotten() {
        policy_->take_forgotten([this](Slot slot) { index_.remove(slot); });
    }

    StoreRules rules_;
    [[no_unique_address]] Contents contents_;
    std::unique_ptr<EvictionPolicy> policy_;
    FlatIndex<Key> index_;
    FlatIndex<Key> seen_;
    std::vector<std::uint8_t> held_;
    std::vector<std::uint64_t> sizes_;
    std::vector<std::uint32_t> marks_;  ///< the last request that matched the slot
    std::vector<std::int64_t> since_;
    SlotNodes age_nodes_;
    SlotList ages_{age_nodes_};
    std::vector<Slot> matched_;
    std::uint32_t request_ = 0;
    std::int64_t now_ns_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t entries_ = 0;
    StoreCounters counters_;
};

}  // namespace kvstone
