// LRU and FIFO.

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

template <bool moves_on_use>
class OneList final : public EvictionPolicy {
  public:
    void insert(Slot slot, std::uint64_t size, std::uint64_t /*next_use*/) override { list_.push_newest(slot, size); }
    void touch(Slot slot, std::uint64_t /*next_use*/) override {
        if (moves_on_use) list_.move_to_newest(slot);
    }
    Slot victim(Pins const& pins) override {
        auto const slot = oldest_free(list_, pins);
        if (slot != no_slot) erase(slot);
        return slot;
    }
    void erase(Slot slot) override {
        list_.remove(slot);
        forget(slot);
    }

  private:
    SlotNodes nodes_;
    SlotList list_{nodes_};
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru() { return std::make_unique<OneList<true>>(); }
std::unique_ptr<EvictionPolicy> make_fifo() { return std::make_unique<OneList<false>>(); }

}  // namespace kvstone
