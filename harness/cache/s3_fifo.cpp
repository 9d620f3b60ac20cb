#include <algorithm>

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

constexpr unsigned most_uses = 3;
constexpr unsigned uses_to_stay = 2;

class S3Fifo final : public EvictionPolicy {
  public:
    explicit S3Fifo(std::uint64_t capacity) : small_size_(capacity / 10), ghost_size_(capacity - capacity / 10) {}

    void missed(Slot slot) override {
        comes_again_ = slot < places_.size() && places_[slot] == Place::ghost;
        if (!comes_again_) return;
        ghosts_.remove(slot);
        places_[slot] = Place::none;
    }
    void insert(Slot slot, std::uint64_t size, std::uint64_t /*next_use*/) override {
        if (slot >= places_.size()) {
            places_.resize(slot + std::size_t{1});
            uses_.resize(slot + std::size_t{1});
        }
        uses_[slot] = 0;
        enter(comes_again_ ? Place::main : Place::small, slot, size);
    }
    void touch(Slot slot, std::uint64_t /*next_use*/) override {
        uses_[slot] = static_cast<std::uint8_t>(std::min<unsigned>(uses_[slot] + 1U, most_uses));
    }
    Slot victim(Pins const& pins) override {
        auto slot = no_slot;
        if (!small_.empty() && small_.size() >= small_size_) slot = leave_small(pins, uses_to_stay);
        if (slot == no_slot) slot = leave_main(pins);
        // The main queue may hold pinned blocks alone.
        return slot == no_slot ? leave_small(pins, most_uses + 1) : slot;
    }
    void erase(Slot slot) override {
        (places_[slot] == Place::small ? small_ : main_).remove(slot);
        drop(slot);
    }

  private:
    enum class Place : std::uint8_t { none, small, main, ghost };

    void enter(Place place, Slot slot, std::uint64_t size) {
        places_[slot] = place;
        (place == Place::small ? small_ : main_).push_newest(slot, size);
    }
    /// The oldest block with fewer uses; those before it move on.
    Slot leave_small(Pins const& pins, unsigned uses_to_move) {
        for (;;) {
            auto const slot = oldest_free(small_, pins);
            if (slot == no_slot) return slot;
            auto const size = small_.remove(slot);
            if (uses_[slot] < uses_to_move) {
                keep_ghost(slot, size);
                return slot;
            }
            uses_[slot] = 0;
            enter(Place::main, slot, size);
        }
    }
    /// The oldest block without uses; those before it spend one on another round.
    Slot leave_main(Pins const& pins) {
        for (;;) {
            auto const slot = oldest_free(main_, pins);
            if (slot == no_slot) return slot;
            auto const size = main_.remove(slot);
            if (uses_[slot] == 0) {
                drop(slot);
                return slot;
            }
            --uses_[slot];
            main_.push_newest(slot, size);
        }
    }
    void keep_ghost(Slot slot, std::uint64_t size) {
        places_[slot] = Place::ghost;
        ghosts_.push_newest(slot, size);
        shorten(ghosts_, ghost_size_, [this](Slot oldest) { drop(oldest); });
    }
    void drop(Slot slot) {
        places_[slot] = Place::none;
        forget(slot);
    }

    std::uint64_t small_size_;
    std::uint64_t ghost_size_;
    SlotNodes nodes_;
    SlotList small_{nodes_}, main_{nodes_}, ghosts_{nodes_};
    std::vector<Place> places_;
    std::vector<std::uint8_t> uses_;
    bool comes_again_ = false;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_s3_fifo(std::uint64_t capacity) { return std::make_unique<S3Fifo>(capacity); }

}  // namespace kvstone
