#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/container/tensor_codec.hpp"

namespace kvstone {

/// K or V of a block under a codec, as one part or a part per layer: the content of a cache's entry.
class CodedParts {
  public:
    /// Throws NotApplicable where layers cannot be coded apart, ConfigError where the codec does not fit the shape.
    CodedParts(Codec const& codec, Component component, KvShape const& shape, ElementType type, BackendKind kind,
               Rope const* rope, bool by_layer);

    std::size_t count() const { return coders_.size(); }
    KvShape const& shape() const { return shape_; }            ///< of the block
    KvShape const& part_shape() const { return part_shape_; }  ///< of each part

    /// Encodes all parts. The view is the block's.
    void encode(KvView const& block);
    void decode(KvView const& block, DecodeFor purpose) const;
    /// Decodes one part. `block` is the view of the whole block; the part's layers of it are written.
    void decode_part(std::size_t part, KvView const& block, DecodeFor purpose) const;

    std::uint64_t stored_bytes(std::size_t part) const { return coders_[part].ledger().stored_bytes(); }
    std::vector<std::byte> seal(std::size_t part) const { return coders_[part].seal(); }
    /// Throws CorruptData.
    void load(std::size_t part, std::span<std::byte const> container) { coders_[part].load(container); }

  private:
    KvView part_of(KvView const& block, std::size_t part) const {
        return block.box(part * part_shape_.layers, 0, 0, part_shape_);
    }

    KvShape shape_;
    KvShape part_shape_;
    std::vector<TensorCodec> coders_;
};

}  // namespace kvstone
