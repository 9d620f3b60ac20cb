#include <algorithm>

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

/// The paper's names: T1 holds blocks used once, T2 those used again; B1 and B2 are ghosts of blocks that left them; p
/// is how much T1 may hold. Where the paper drops a ghost before it replaces a block, here the lists are cut
/// afterwards: the same lists, since the ghost that just came is never the oldest of more than one.
class Arc final : public EvictionPolicy {
  public:
    explicit Arc(std::uint64_t capacity) : capacity_(capacity) {}

    void missed(Slot slot) override {
        came_from_ = slot < places_.size() ? places_[slot] : Place::none;
        if (came_from_ == Place::none) return;
        auto const b1 = b1_.size();
        auto const b2 = b2_.size();
        places_[slot] = Place::none;
        if (came_from_ == Place::b1) {
            auto const size = b1_.remove(slot);
            target_ = std::min(capacity_, target_ + std::max(size, b2 * size / b1));
        } else {
            auto const size = b2_.remove(slot);
            target_ -= std::min(target_, std::max(size, b1 * size / b2));
        }
    }
    void insert(Slot slot, std::uint64_t size, std::uint64_t /*next_use*/) override {
        if (slot >= places_.size()) places_.resize(slot + std::size_t{1});
        enter(came_from_ == Place::none ? Place::t1 : Place::t2, slot, size);
        while (!b1_.empty() && t1_.size() + b1_.size() > capacity_) drop_oldest(b1_);
        while (!b2_.empty() && t1_.size() + t2_.size() + b1_.size() + b2_.size() > 2 * capacity_) drop_oldest(b2_);
    }
    void touch(Slot slot, std::uint64_t /*next_use*/) override {
        enter(Place::t2, slot, list(places_[slot]).remove(slot));
    }
    Slot victim(Pins const& pins) override {
        bool const first = t1_.size() > target_ || (came_from_ == Place::b2 && t1_.size() == target_);
        for (auto const place : {first ? Place::t1 : Place::t2, first ? Place::t2 : Place::t1}) {
            auto const slot = oldest_free(list(place), pins);
            if (slot == no_slot) continue;
            auto const size = list(place).remove(slot);
            enter(place == Place::t1 ? Place::b1 : Place::b2, slot, size);
            return slot;
        }
        return no_slot;
    }
    void erase(Slot slot) override {
        list(places_[slot]).remove(slot);
        places_[slot] = Place::none;
        forget(slot);
    }

  private:
    enum class Place : std::uint8_t { none, t1, t2, b1, b2 };

    SlotList& list(Place place) {
        return place == Place::t1 ? t1_ : place == Place::t2 ? t2_ : place == Place::b1 ? b1_ : b2_;
    }
    void enter(Place place, Slot slot, std::uint64_t size) {
        places_[slot] = place;
        list(place).push_newest(slot, size);
    }
    void drop_oldest(SlotList& ghosts) { erase(ghosts.oldest()); }

    std::uint64_t capacity_;
    std::uint64_t target_ = 0;
    SlotNodes nodes_;
    SlotList t1_{nodes_}, t2_{nodes_}, b1_{nodes_}, b2_{nodes_};
    std::vector<Place> places_;
    Place came_from_ = Place::none;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_arc(std::uint64_t capacity) { return std::make_unique<Arc>(capacity); }

}  // namespace kvstone
