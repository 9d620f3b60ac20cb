#pragma once
// The accounts of a prefix cache of two tiers, memory and disk: the tier of each block, and the moves between them. The
// bytes themselves are stored elsewhere.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/cache/block_store.hpp"
#include "harness/cache/flat_index.hpp"
#include "harness/cache/slot_list.hpp"

namespace kvstone {

struct TierRules {
    std::uint64_t hot = never_again;   ///< blocks, at least 1; unbounded by default
    std::uint64_t cold = never_again;  ///< blocks; 0: there is no cold tier
    WriteOrder order = WriteOrder::head_first;
};

/// A move of one block.
enum class TierMove : std::uint8_t {
    write,      ///< it is new, and enters the hot tier
    replace,    ///< computed again (an ancestor had left): the cold tier's copy is dropped, it enters the hot tier
    promote,    ///< found in the cold tier, it moves to the hot one
    demote,     ///< it moves to the cold tier
    drop_hot,   ///< it leaves the hot tier for good
    drop_cold,  ///< it leaves the cold tier for good
};

/// lookups = hits + misses, hits = hot_hits + cold_hits; writes = blocks held + drops + losses.
struct TierCounters {
    std::uint64_t lookups = 0;
    std::uint64_t hot_hits = 0;
    std::uint64_t cold_hits = 0;
    std::uint64_t writes = 0;
    std::uint64_t replacements = 0;
    std::uint64_t promotions = 0;
    std::uint64_t demotions = 0;
    std::uint64_t drops = 0;
    std::uint64_t losses = 0;   ///< see lose()
    std::uint64_t no_room = 0;  ///< blocks not written because all others were pinned
};

/// Two exclusive tiers: the block of the hot tier that was used longest ago is demoted to the cold tier's newest place,
/// and a block that is found there is promoted. Joined end to end, the two lists are at any time the list of one LRU
/// cache of the sum of both sizes, which matches, pins and orders as BlockStore does; so both find the same blocks.
///
/// A request's blocks before the first one that is not in the hot tier are those that the hot tier alone (LRU of its
/// size) would find. That is exact under `deepest_first`, where LRU is a stack; under `head_first` the order of a
/// request's uses depends on how many blocks are found, and the two differ by some tenths of a percent.
///
/// Requests come one after the other, each in two steps: match(), then commit(). `Key` as in BlockStore. Not thread-safe.
template <class Key>
class TwoTiers {
  public:
    /// REQUIRES: rules.hot > 0.
    explicit TwoTiers(TierRules const& rules) : rules_(rules) {}

    /// How many of a request's blocks, from its head on, are in either tier. REQUIRES: no key stands twice.
    std::uint64_t match(std::span<Key const> blocks) {
        if (++request_ == 0) {  // marks of 2^32 requests ago would look new
            for (auto* marks : {&pinned_, &waiting_}) std::ranges::fill(*marks, 0U);
            request_ = 1;
        }
        matched_.clear();
        for (auto const& key : blocks) {
            auto const slot = index_.find(key);
            if (slot == no_slot) break;
            ++(is_hot_[slot] ? counters_.hot_hits : counters_.cold_hits);
            pinned_[slot] = waiting_[slot] = request_;
            matched_.push_back(slot);
        }
        counters_.lookups += blocks.size();
        return matched_.size();
    }

    /// Uses the matched blocks and writes the others; `on_move(TierMove, Key const&)` is called for the moves in their
    /// order. REQUIRES: match() was called with the same blocks.
    template <class OnMove>
    void commit(std::span<Key const> blocks, OnMove const& on_move) {
        auto const matched = matched_.size();
        auto const use_matched = [&] {
            for (auto i = matched; i-- > 0;) {
                waiting_[matched_[i]] = 0;
                use(matched_[i], TierMove::promote, on_move);
            }
        };
        if (rules_.order == WriteOrder::head_first) {
            use_matched();
            for (auto i = matched; i < blocks.size(); ++i) write(blocks[i], on_move);
        } else {
            for (auto i = blocks.size(); i-- > matched;) write(blocks[i], on_move);
            use_matched();
        }
    }
    void commit(std::span<Key const> blocks) {
        commit(blocks, [](TierMove, Key const&) {});
    }

    /// Notes that the cold tier's disk has lost a block. False where that tier does not hold it. REQUIRES: no request
    /// is under way.
    bool lose(Key const& key) {
        auto const slot = index_.find(key);
        if (slot == no_slot || is_hot_[slot]) return false;
        cold_.remove(slot);
        index_.remove(slot);
        ++counters_.losses;
        return true;
    }

    bool in_hot(Key const& key) const { return lies_in(key, true); }
    bool in_cold(Key const& key) const { return lies_in(key, false); }
    std::uint64_t hot_entries() const { return hot_.size(); }
    std::uint64_t cold_entries() const { return cold_.size(); }
    TierCounters const& counters() const { return counters_; }

  private:
    bool lies_in(Key const& key, bool hot) const {
        auto const slot = index_.find(key);
        return slot != no_slot && (is_hot_[slot] != 0) == hot;
    }

    template <class OnMove>
    void use(Slot slot, TierMove move, OnMove const& on_move) {
        if (is_hot_[slot]) return hot_.move_to_newest(slot);
        cold_.remove(slot);
        enter(slot, true, move, on_move);
    }

    template <class OnMove>
    void write(Key const& key, OnMove const& on_move) {
        if (auto const slot = index_.find(key); slot != no_slot) return use(slot, TierMove::replace, on_move);
        if (hot_.size() == rules_.hot && cold_.size() == rules_.cold && !drop_oldest(on_move)) {
            ++counters_.no_room;
            return;
        }
        auto const slot = index_.add(key);
        if (slot >= is_hot_.size()) {
            keys_.resize(slot + std::size_t{1});
            is_hot_.resize(keys_.size());
            pinned_.resize(keys_.size());
            waiting_.resize(keys_.size());
        }
        keys_[slot] = key;
        pinned_[slot] = waiting_[slot] = 0;
        enter(slot, false, TierMove::write, on_move);
    }

    /// Makes a slot that is in no list the newest of the hot tier, whose oldest makes room. Matched blocks that are
    /// still to be used do not leave: they would come back at once.
    template <class OnMove>
    void enter(Slot slot, bool was_cold, TierMove move, OnMove const& on_move) {
        hot_.push_newest(slot, 1);
        is_hot_[slot] = 1;
        auto demoted = no_slot;
        if (hot_.size() > rules_.hot) {
            demoted = hot_.oldest();
            while (demoted != no_slot && waiting_[demoted] == request_) demoted = hot_.newer(demoted);
            hot_.remove(demoted);
            cold_.push_newest(demoted, 1);
            is_hot_[demoted] = 0;
        }
        // A block that is in the cold tier and would return to it at once stays there.
        if (demoted == slot && was_cold && move == TierMove::promote) return;
        tell(move, slot, on_move);
        if (demoted != no_slot) tell(TierMove::demote, demoted, on_move);
    }

    /// False where all blocks are pinned.
    template <class OnMove>
    bool drop_oldest(OnMove const& on_move) {
        for (auto* list : {&cold_, &hot_}) {
            auto slot = list->oldest();
            while (slot != no_slot && pinned_[slot] == request_) slot = list->newer(slot);
            if (slot == no_slot) continue;
            list->remove(slot);
            tell(list == &cold_ ? TierMove::drop_cold : TierMove::drop_hot, slot, on_move);
            index_.remove(slot);
            return true;
        }
        return false;
    }

    template <class OnMove>
    void tell(TierMove move, Slot slot, OnMove const& on_move) {
        switch (move) {
            case TierMove::write:
                ++counters_.writes;
                break;
            case TierMove::replace:
                ++counters_.replacements;
                break;
            case TierMove::promote:
                ++counters_.promotions;
                break;
            case TierMove::demote:
                ++counters_.demotions;
                break;
            case TierMove::drop_hot:
            case TierMove::drop_cold:
                ++counters_.drops;
                break;
        }
        on_move(move, keys_[slot]);
    }

    TierRules rules_;
    FlatIndex<Key> index_;
    std::vector<Key> keys_;               ///< of each slot
    std::vector<std::uint8_t> is_hot_;    ///< of each slot
    std::vector<std::uint32_t> pinned_;   ///< the last request that matched the slot
    std::vector<std::uint32_t> waiting_;  ///< the last request that matched it and has not used it yet
    SlotNodes nodes_;
    SlotList hot_{nodes_};
    SlotList cold_{nodes_};
    std::vector<Slot> matched_;
    std::uint32_t request_ = 0;
    TierCounters counters_;
};

}  // namespace kvstone
