#include <algorithm>
#include <tuple>

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

/// A heap of next uses. An entry that is no longer true stays in it until it comes up, or until such entries are most of it.
class Belady final : public EvictionPolicy {
  public:
    void insert(Slot slot, std::uint64_t /*size*/, std::uint64_t next_use) override {
        if (slot >= stamps_.size()) stamps_.resize(slot + std::size_t{1});
        ++present_;
        push(slot, next_use);
    }
    void touch(Slot slot, std::uint64_t next_use) override { push(slot, next_use); }
    Slot victim(Pins const& pins) override {
        Slot found = no_slot;
        std::vector<Use> pinned;
        while (!heap_.empty() && found == no_slot) {
            std::ranges::pop_heap(heap_);
            auto const use = heap_.back();
            heap_.pop_back();
            if (stamps_[use.slot] != use.stamp) continue;
            if (pins.hold(use.slot))
                pinned.push_back(use);
            else
                found = use.slot;
        }
        for (auto const& use : pinned) add(use);
        if (found != no_slot) erase(found);
        return found;
    }
    void erase(Slot slot) override {
        stamps_[slot] = 0;
        --present_;
        forget(slot);
    }

  private:
    struct Use {
        std::uint64_t next = 0;
        std::uint64_t stamp = 0;  ///< counts uses
        Slot slot = no_slot;
        auto operator<=>(Use const&) const = default;
    };

    void push(Slot slot, std::uint64_t next_use) {
        stamps_[slot] = ++stamp_;
        add({next_use, stamp_, slot});
        if (heap_.size() < 64 || heap_.size() < 4 * present_) return;
        std::erase_if(heap_, [&](Use const& use) { return stamps_[use.slot] != use.stamp; });
        std::ranges::make_heap(heap_);
    }
    void add(Use const& use) {
        heap_.push_back(use);
        std::ranges::push_heap(heap_);
    }

    std::vector<Use> heap_;
    std::vector<std::uint64_t> stamps_;  ///< of the slot's last use; 0: it is not there
    std::uint64_t stamp_ = 0;
    std::uint64_t present_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_belady() { return std::make_unique<Belady>(); }

}  // namespace kvstone
