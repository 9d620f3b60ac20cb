#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "harness/cache/block_key.hpp"
#include "harness/cache/segments/aligned_bytes.hpp"

namespace kvstone {

/// The bytes of a block as they were put, verified, in the buffer they were read into. They start at a multiple of 128.
class StoredBlock {
  public:
    StoredBlock(AlignedBytes record, std::size_t start, std::size_t bytes)
        : record_(std::move(record)), start_(start), bytes_(bytes) {}
    std::span<std::byte const> bytes() const { return record_.span().subspan(start_, bytes_); }

  private:
    AlignedBytes record_;
    std::size_t start_;
    std::size_t bytes_;
};

/// A block to be put. The bytes belong to the caller, and need no alignment.
struct BlockToStore {
    BlockKey key{};
    std::span<std::byte const> bytes;
};

}  // namespace kvstone
