#include <algorithm>

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

/// One list for each number of uses.
class Lfu final : public EvictionPolicy {
  public:
    void insert(Slot slot, std::uint64_t size, std::uint64_t /*next_use*/) override {
        if (slot >= uses_.size()) uses_.resize(slot + std::size_t{1});
        uses_[slot] = 1;
        least_ = 1;
        list(1).push_newest(slot, size);
    }
    void touch(Slot slot, std::uint64_t /*next_use*/) override {
        auto const size = list(uses_[slot]).remove(slot);
        list(++uses_[slot]).push_newest(slot, size);
    }
    Slot victim(Pins const& pins) override {
        while (least_ < lists_.size() && lists_[least_].empty()) ++least_;
        for (auto uses = least_; uses < lists_.size(); ++uses) {
            auto const slot = oldest_free(lists_[uses], pins);
            if (slot == no_slot) continue;
            erase(slot);
            return slot;
        }
        return no_slot;
    }
    void erase(Slot slot) override {
        lists_[uses_[slot]].remove(slot);
        forget(slot);
    }

  private:
    SlotList& list(std::uint32_t uses) {
        while (lists_.size() <= uses) lists_.emplace_back(nodes_);
        return lists_[uses];
    }

    SlotNodes nodes_;
    std::vector<SlotList> lists_;
    std::vector<std::uint32_t> uses_;
    std::uint32_t least_ = 1;  ///< no list below has a slot
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lfu() { return std::make_unique<Lfu>(); }

}  // namespace kvstone
