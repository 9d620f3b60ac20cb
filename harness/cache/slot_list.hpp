#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace kvstone {

/// The index of a block in the arrays of a cache.
using Slot = std::uint32_t;
inline constexpr Slot no_slot = std::numeric_limits<Slot>::max();

/// Neighbours and size of each slot. Lists that never share a slot share these.
struct SlotNode {
    Slot older = no_slot;
    Slot newer = no_slot;
    std::uint64_t size = 0;
};
using SlotNodes = std::vector<SlotNode>;

/// A doubly linked list through the nodes of its slots, from the oldest to the newest, with the sum of their sizes.
class SlotList {
  public:
    /// The nodes must outlive the list.
    explicit SlotList(SlotNodes& nodes) : nodes_(&nodes) {}

    Slot oldest() const { return oldest_; }
    Slot newest() const { return newest_; }
    Slot newer(Slot slot) const { return (*nodes_)[slot].newer; }
    bool empty() const { return oldest_ == no_slot; }
    std::uint64_t size() const { return size_; }

    /// REQUIRES: the slot is in no list.
    void push_newest(Slot slot, std::uint64_t size) {
        if (slot >= nodes_->size()) nodes_->resize(slot + std::size_t{1});
        (*nodes_)[slot] = {newest_, no_slot, size};
        if (newest_ == no_slot)
            oldest_ = slot;
        else
            (*nodes_)[newest_].newer = slot;
        newest_ = slot;
        size_ += size;
    }
    /// Its size. REQUIRES: the slot is in this list.
    std::uint64_t remove(Slot slot) {
        auto const [older, newer, size] = (*nodes_)[slot];
        (older == no_slot ? oldest_ : (*nodes_)[older].newer) = newer;
        (newer == no_slot ? newest_ : (*nodes_)[newer].older) = older;
        size_ -= size;
        return size;
    }
    void move_to_newest(Slot slot) {
        if (slot == newest_) return;
        auto const size = remove(slot);
        push_newest(slot, size);
    }

  private:
    SlotNodes* nodes_;
    Slot oldest_ = no_slot;
    Slot newest_ = no_slot;
    std::uint64_t size_ = 0;
};

}  // namespace kvstone
