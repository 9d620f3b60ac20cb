#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "harness/cache/segments/record.hpp"
#include "harness/cache/segments/segment_books.hpp"

namespace kvstone {

/// Records that one call writes, in the order in which they were added, and the future places of their blocks.
class RecordBatch {
  public:
    struct Block {
        BlockKey key{};
        BlockPlace place;
    };
    static constexpr std::size_t usual_bytes = std::size_t{4} << 20;

    /// For records from `offset` of a segment on, with sequences from `sequence` on, with at most `room` bytes
    /// together.
    void start(std::uint64_t segment, std::uint64_t offset, std::uint64_t room, std::uint64_t sequence);
    /// False where there is no room for the record: a batch of several records has at most usual_bytes.
    bool add(RecordKind kind, BlockKey const& key, std::span<std::byte const> payload);

    std::span<std::byte const> bytes() const { return buffer_.span().first(used_); }
    std::vector<Block> const& blocks() const { return blocks_; }
    std::uint64_t payload_bytes() const { return payload_bytes_; }  ///< of blocks
    std::uint64_t segment() const { return segment_; }
    std::uint64_t offset() const { return offset_; }
    std::uint64_t next_sequence() const { return sequence_; }

  private:
    AlignedBytes buffer_;  ///< kept from batch to batch
    std::size_t used_ = 0;
    std::vector<Block> blocks_;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t segment_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t room_ = 0;
    std::uint64_t sequence_ = 0;
};

}  // namespace kvstone
