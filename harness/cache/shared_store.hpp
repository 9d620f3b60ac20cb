#pragma once
// A prefix cache in memory for several clients: the accounts of block_store.hpp, and the bytes behind them.

#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "harness/cache/block_store.hpp"

namespace kvstone {

/// The stored bytes of a block, in parts. The client whose request writes the block fills it; other clients wait until
/// then.
class StoredBlock {
  public:
    using Parts = std::vector<std::vector<std::byte>>;

    /// REQUIRES: it was not called before.
    void fill(Parts parts) {
        parts_ = std::move(parts);
        for (auto const& part : parts_) *bytes_ += part.size();
        tell(State::filled);
    }
    /// Called in place of fill() where the block will have no bytes.
    void give_up() { tell(State::given_up); }
    /// Waits for the bytes, which never change afterwards; null where there will be none.
    Parts const* wait() const {
        state_.wait(State::empty, std::memory_order_acquire);
        return state_.load(std::memory_order_acquire) == State::filled ? &parts_ : nullptr;
    }
    /// The number of bytes once the block is filled, also after it has left the cache.
    std::shared_ptr<std::uint64_t const> bytes_counted() const { return bytes_; }

    std::uint64_t decoded_hash = 0;  ///< kept for verification; unused while clients are under way

  private:
    enum class State : std::uint8_t { empty, filled, given_up };

    void tell(State state) {
        state_.store(state, std::memory_order_release);
        state_.notify_all();
    }

    Parts parts_;
    std::shared_ptr<std::uint64_t> bytes_ = std::make_shared<std::uint64_t>(0);
    std::atomic<State> state_ = State::empty;
};
using SharedBlock = std::shared_ptr<StoredBlock>;

/// The blocks that a request found, and those that it has to write. Blocks that are evicted meanwhile stay as long as
/// they are in here.
struct ServedRequest {
    std::vector<SharedBlock> found;                             ///< its first blocks
    std::vector<std::pair<std::size_t, SharedBlock>> to_write;  ///< number of the block in the request
};

/// Requests are numbered and enter the accounts in this order, whichever client brings them: the blocks found, written
/// and evicted do not depend on the number of clients. This step takes microseconds; the long ones (hashing, computing,
/// coding) run outside, before serve() and after it. A request may find blocks that an earlier one still has to fill,
/// and waits for them. Requests wait for earlier ones alone, so that no two wait for each other.
class SharedStore {
  public:
    explicit SharedStore(StoreRules rules) : books_(std::move(rules)) {}

    /// Waits for the turn of request `number`, which counts from 0, then matches and commits it. Every block has size
    /// 1. Nothing after throw_away(). Throws std::bad_alloc.
    template <class NextUseOf>
    std::optional<ServedRequest> serve(std::uint64_t number, std::span<BlockKey const> keys, std::int64_t now_ns,
                                       NextUseOf const& next_use_of) {
        for (auto turn = turn_.load(std::memory_order_acquire); turn != number;
             turn = turn_.load(std::memory_order_acquire)) {
            if (turn == never_again) return std::nullopt;
            turn_.wait(turn, std::memory_order_acquire);
        }
        ServedRequest served;
        auto& contents = books_.contents();
        contents.served = &served;
        books_.match(keys, now_ns);
        for (auto const slot : books_.matched()) served.found.push_back(contents.blocks[slot]);
        books_.commit(keys, [](std::size_t) { return std::uint64_t{1}; }, next_use_of);
        contents.served = nullptr;
        auto expected = number;
        turn_.compare_exchange_strong(expected, number + 1, std::memory_order_release);
        turn_.notify_all();
        return served;
    }
    /// Called after a failure: no request waits for its turn any more.
    void throw_away() {
        turn_.store(never_again, std::memory_order_release);
        turn_.notify_all();
    }

    // All of these REQUIRE that no client is under way.
    std::uint64_t entries() const { return books_.entries(); }
    StoreCounters const& counters() const { return books_.counters(); }
    std::uint64_t held_bytes() const {
        std::uint64_t bytes = 0;
        for (auto const& block : books_.contents().blocks) bytes += block ? *block->bytes_counted() : 0;
        return bytes;
    }
    std::uint64_t evicted_bytes() const { return sum(books_.contents().evicted_bytes); }
    std::uint64_t expired_bytes() const { return sum(books_.contents().expired_bytes); }

  private:
    struct Contents {
        void enter(Slot slot, std::size_t block) {
            if (slot >= blocks.size()) blocks.resize(slot + std::size_t{1});
            blocks[slot] = std::make_shared<StoredBlock>();
            served->to_write.emplace_back(block, blocks[slot]);
        }
        void leave(Slot slot, bool expired) {
            (expired ? expired_bytes : evicted_bytes).push_back(blocks[slot]->bytes_counted());
            blocks[slot].reset();
        }

        std::vector<SharedBlock> blocks;  ///< by slot
        ServedRequest* served = nullptr;
        /// Sizes of blocks that have left, some of which may not be filled yet.
        std::vector<std::shared_ptr<std::uint64_t const>> evicted_bytes;
        std::vector<std::shared_ptr<std::uint64_t const>> expired_bytes;
    };
    static std::uint64_t sum(std::vector<std::shared_ptr<std::uint64_t const>> const& all) {
        return std::accumulate(all.begin(), all.end(), std::uint64_t{0},
                               [](std::uint64_t before, auto const& one) { return before + *one; });
    }

    BlockStore<BlockKey, Contents> books_;
    std::atomic<std::uint64_t> turn_ = 0;
};

}  // namespace kvstone
