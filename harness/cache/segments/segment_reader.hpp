#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "harness/cache/segments/segment_shared.hpp"
#include "harness/cache/segments/stored_block.hpp"

namespace kvstone {

/// Reads blocks and checks that they are intact. Thread-safe: every call has a queue of reads of its own.
class SegmentReader {
  public:
    using Sink = std::function<void(std::size_t index, std::optional<StoredBlock> block)>;

    explicit SegmentReader(SegmentShared& shared);

    std::optional<StoredBlock> get(BlockKey const& key);
    void get_many(std::span<BlockKey const> keys, Sink const& sink);

  private:
    class Batch;
    std::unique_ptr<ReadQueue> queue();

    SegmentShared& shared_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<ReadQueue>> idle_;  ///< rings that no call uses now
};

}  // namespace kvstone
