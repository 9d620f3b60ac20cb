#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/cache/segments/segment_store.hpp"

namespace kvstone {

/// Blocks on a disk, by their number. For one thread at a time.
class ColdStore {
  public:
    virtual ~ColdStore() = default;
    /// Throws SystemError where the block cannot be written, NotApplicable where it is larger than a segment.
    virtual void put(std::uint64_t block, std::span<std::byte const> entry) = 0;
    /// Called with the index of each block in `blocks` and its bytes, or nothing, in the order in which they arrive.
    using Sink = std::function<void(std::size_t index, std::optional<StoredBlock> entry)>;
    virtual void get(std::span<std::uint64_t const> blocks, Sink const& sink) = 0;
    virtual void erase(std::uint64_t block) = 0;
    virtual bool holds(std::uint64_t block) const = 0;
    virtual void flush() = 0;
    /// Blocks that the store has removed since the last call without being asked to.
    virtual std::vector<std::uint64_t> take_lost() = 0;
    virtual SegmentCounters counters() const = 0;
    virtual SegmentMode mode() const = 0;
};

/// A store in segment files of a folder.
std::unique_ptr<ColdStore> open_segments(std::string const& folder, SegmentRules const& rules);

}  // namespace kvstone
