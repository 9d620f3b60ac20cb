#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness/cache/throttled_link.hpp"
#include "harness/cache/two_tiers.hpp"
#include "harness/workloads/tier/block_values.hpp"
#include "harness/workloads/tier/cold_store.hpp"
#include "harness/workloads/tier/entry_form.hpp"

namespace kvstone {

/// A tier that returned other bytes than were stored, or none.
class WrongEntry : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Totals of two live tiers. Bytes of values are those of K and V without a codec.
struct LiveTotals {
    std::vector<double> hot_hit_ns;  ///< of each request with hits in memory: decoding them, mean of a block
    std::vector<double>
        cold_hit_ns;              ///< of each request with hits on disk: fetching and decoding them, mean of a block
    std::uint64_t hot_bytes = 0;  ///< held in memory
    std::uint64_t hot_bytes_most = 0;
    ErrorSums hot_errors;  ///< of hits in memory, against the blocks' original values
    ErrorSums cold_errors;
};

/// The bytes behind the accounts of two tiers: memory holds entries of one form, a store on disk those of another. A
/// block that moves down is put into the other form and written; one that is found on disk is read, decoded, and put
/// into memory's form. Coding and the disk overlap.
///
/// Every hit is verified outside its timed part: the bytes equal the stored ones, and decode to the same values as when
/// they were stored.
class LiveTiers {
  public:
    /// All arguments outlive it. `link_bytes_per_s`: see ThrottledLink.
    LiveTiers(BlockValues const& blocks, EntryForm& hot_form, EntryForm& cold_form, bool same_form, ColdStore& store,
              double link_bytes_per_s)
        : blocks_(blocks),
          hot_form_(hot_form),
          cold_form_(cold_form),
          same_form_(same_form),
          store_(store),
          link_(link_bytes_per_s) {}

    /// Serves the matched blocks, commits, and makes the moves. Throws WrongEntry.
    void serve(TwoTiers<std::uint64_t>& tiers, std::span<std::uint64_t const> blocks, std::uint64_t matched);
    /// Throws WrongEntry where the entries differ from the accounts.
    void check_against(TwoTiers<std::uint64_t> const& tiers) const;
    LiveTotals const& totals() const { return totals_; }

  private:
    struct HotEntry {
        std::vector<std::byte> bytes;
        std::uint64_t values_hash = 0;  ///< of its decoded values
    };
    struct ColdEntry {
        std::uint64_t bytes_hash = 0;
        std::uint64_t values_hash = 0;
    };
    /// The result of a cold hit.
    struct Fetched {
        std::optional<StoredBlock> entry;
        std::vector<std::byte> values;
    };
    /// A task for the disk: without bytes, to forget the block.
    struct DiskTask {
        std::uint64_t block = 0;
        std::optional<std::vector<std::byte>> bytes;
    };
    using Moves = std::vector<std::pair<TierMove, std::uint64_t>>;
    using Push = std::function<bool(DiskTask)>;

    void read_hot(std::span<std::uint64_t const> blocks);
    void read_cold(std::span<std::uint64_t const> blocks);
    void move(Moves const& moves);
    void move_one(TierMove move, std::uint64_t block, Push const& push);
    void hold(std::uint64_t block, std::vector<std::byte> bytes);
    HotEntry take_hot(std::uint64_t block);

    BlockValues const& blocks_;
    EntryForm& hot_form_;
    EntryForm& cold_form_;
    bool same_form_;
    ColdStore& store_;
    ThrottledLink<> link_;
    std::unordered_map<std::uint64_t, HotEntry> hot_;
    std::unordered_map<std::uint64_t, ColdEntry> cold_;
    std::unordered_map<std::uint64_t, Fetched> fetched_;                  ///< by the request under way
    std::unordered_map<std::uint64_t, std::vector<std::byte>> computed_;  ///< by the request under way
    LiveTotals totals_;
};

}  // namespace kvstone
