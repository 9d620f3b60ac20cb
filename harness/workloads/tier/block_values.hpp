#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codecs/codec.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// K or V within the values of a block.
struct BlockPart {
    Component component = Component::k;
    ElementType type = ElementType::f32;
    KvShape shape;
    std::size_t offset = 0;  ///< of its first byte
    std::size_t bytes() const { return shape.values() * element_bytes(type); }
};

/// The values of blocks: K and then V of all layers, each packed as [layer, head, token, dim]. Every block has a
/// source's tokens, begun at another one: up to the number of tokens, all blocks differ.
class BlockValues {
  public:
    /// Throws CorruptData where there is neither K nor V.
    explicit BlockValues(KvTensors tensors);

    std::vector<BlockPart> const& parts() const { return parts_; }
    Rope const* rope() const { return tensors_.rope ? &*tensors_.rope : nullptr; }
    std::size_t bytes() const { return bytes_; }
    std::vector<std::byte> of_block(std::uint64_t block) const;
    /// The errors of values against those of the block.
    ErrorSums errors(std::uint64_t block, std::span<std::byte const> values) const;

  private:
    KvTensors tensors_;
    std::vector<BlockPart> parts_;
    std::size_t bytes_ = 0;
};

/// A part of values of a block, to be read or written.
KvView view_of(BlockPart const& part, std::span<std::byte> values);
/// The same for reading alone.
KvView view_of(BlockPart const& part, std::span<std::byte const> values);

}  // namespace kvstone
