#include "harness/cache/eviction_policy.hpp"

namespace kvstone {
namespace {

/// The paper's names: A1in is a queue of new blocks, A1out of their ghosts, Am is LRU.
class TwoQueues final : public EvictionPolicy {
  public:
    explicit TwoQueues(std::uint64_t capacity) : in_size_(capacity / 4), out_size_(capacity / 2) {}

    void missed(Slot slot) override {
        comes_again_ = slot < places_.size() && places_[slot] == Place::out;
        if (!comes_again_) return;
        out_.remove(slot);
        places_[slot] = Place::none;
    }
    void insert(Slot slot, std::uint64_t size, std::uint64_t /*next_use*/) override {
        if (slot >= places_.size()) places_.resize(slot + std::size_t{1});
        places_[slot] = comes_again_ ? Place::often : Place::in;
        (comes_again_ ? often_ : in_).push_newest(slot, size);
    }
    void touch(Slot slot, std::uint64_t /*next_use*/) override {
        if (places_[slot] == Place::often) often_.move_to_newest(slot);
    }
    Slot victim(Pins const& pins) override {
        if (in_.size() > in_size_)
            if (auto const slot = leave_queue(pins); slot != no_slot) return slot;
        if (auto const slot = oldest_free(often_, pins); slot != no_slot) {
            erase(slot);
            return slot;
        }
        return leave_queue(pins);
    }
    void erase(Slot slot) override {
        (places_[slot] == Place::in ? in_ : often_).remove(slot);
        drop(slot);
    }

  private:
    enum class Place : std::uint8_t { none, in, out, often };

    Slot leave_queue(Pins const& pins) {
        auto const slot = oldest_free(in_, pins);
        if (slot == no_slot) return slot;
        places_[slot] = Place::out;
        out_.push_newest(slot, in_.remove(slot));
        shorten(out_, out_size_, [this](Slot oldest) { drop(oldest); });
        return slot;
    }
    void drop(Slot slot) {
        places_[slot] = Place::none;
        forget(slot);
    }

    std::uint64_t in_size_;
    std::uint64_t out_size_;
    SlotNodes nodes_;
    SlotList in_{nodes_}, out_{nodes_}, often_{nodes_};
    std::vector<Place> places_;
    bool comes_again_ = false;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_two_queues(std::uint64_t capacity) {
    return std::make_unique<TwoQueues>(capacity);
}

}  // namespace kvstone
