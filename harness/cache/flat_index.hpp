#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "harness/cache/block_key.hpp"
#include "harness/cache/slot_list.hpp"

namespace kvstone {

/// Keys and their slots in one flat table: open addressing, linear probing, at most 5/8 full. Slots count from 0 and
/// are used again, so that arrays beside the table need room only for the largest number of keys at a time.
template <class Key>
class FlatIndex {
  public:
    FlatIndex() : buckets_(smallest_buckets) {}

    /// no_slot where the table does not have the key.
    Slot find(Key const& key) const {
        auto const hash = hash_of(key);
        for (auto at = hash & mask(); buckets_[at].slot != no_slot; at = (at + 1) & mask())
            if (buckets_[at].tag == tag_of(hash) && keys_[buckets_[at].slot] == key) return buckets_[at].slot;
        return no_slot;
    }

    /// REQUIRES: the table does not have the key, and has fewer than 2^32 - 1 keys.
    Slot add(Key const& key) {
        if (8 * (count_ + 1) > 5 * buckets_.size()) grow();
        Slot slot = 0;
        if (free_.empty()) {
            slot = static_cast<Slot>(keys_.size());
            keys_.push_back(key);
        } else {
            slot = free_.back();
            free_.pop_back();
            keys_[slot] = key;
        }
        place(hash_of(key), slot);
        ++count_;
        return slot;
    }

    /// The slot of the key, which is added where it is missing; whether it was there.
    std::pair<Slot, bool> find_or_add(Key const& key) {
        if (auto const slot = find(key); slot != no_slot) return {slot, true};
        return {add(key), false};
    }

    /// REQUIRES: the slot has a key. Keys behind it that it had pushed aside move up, so that no marks of removed keys
    /// stay.
    void remove(Slot slot) {
        auto hole = hash_of(keys_[slot]) & mask();
        while (buckets_[hole].slot != slot) hole = (hole + 1) & mask();
        for (auto at = (hole + 1) & mask(); buckets_[at].slot != no_slot; at = (at + 1) & mask()) {
            auto const home = hash_of(keys_[buckets_[at].slot]) & mask();
            if (((at - home) & mask()) < ((at - hole) & mask())) continue;
            buckets_[hole] = buckets_[at];
            hole = at;
        }
        buckets_[hole] = {};
        free_.push_back(slot);
        --count_;
    }

    /// REQUIRES: the slot has a key.
    Key const& key_of(Slot slot) const { return keys_[slot]; }
    std::uint64_t size() const { return count_; }
    /// All slots are below this number.
    std::uint64_t slots() const { return keys_.size(); }

  private:
    static constexpr std::uint64_t smallest_buckets = 16;

    struct Bucket {
        Slot slot = no_slot;
        std::uint32_t tag = 0;
    };

    std::uint64_t mask() const { return buckets_.size() - 1; }
    static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32U); }

    void place(std::uint64_t hash, Slot slot) {
        auto at = hash & mask();
        while (buckets_[at].slot != no_slot) at = (at + 1) & mask();
        buckets_[at] = {slot, tag_of(hash)};
    }
    void grow() {
        auto const before = std::exchange(buckets_, std::vector<Bucket>(2 * buckets_.size()));
        for (auto const& bucket : before)
            if (bucket.slot != no_slot) place(hash_of(keys_[bucket.slot]), bucket.slot);
    }

    std::vector<Bucket> buckets_;
    std::vector<Key> keys_;
    std::vector<Slot> free_;
    std::uint64_t count_ = 0;
};

}  // namespace kvstone
