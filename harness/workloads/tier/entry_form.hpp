#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codecs/container/tensor_codec.hpp"
#include "harness/workloads/tier/block_values.hpp"

namespace kvstone {

/// The bytes of a block in a tier: its values without a codec, or K's and V's sealed containers, one behind the other.
/// On the host. Not thread-safe.
class EntryForm {
  public:
    /// `codec` empty: values without a codec. `blocks` outlive it.
    EntryForm(BlockValues const& blocks, std::optional<std::string> const& codec);

    bool is_coded() const { return !codecs_.empty(); }
    std::vector<std::byte> encode(std::span<std::byte const> values);
    /// Writes every value. Throws CorruptData.
    void decode(std::span<std::byte const> entry, std::span<std::byte> values);
    /// Decodes with the entry's own bytes alone: the reference for decode().
    std::vector<std::byte> decode_alone(std::span<std::byte const> entry) const;

  private:
    BlockValues const* blocks_;
    std::vector<TensorCodec> codecs_;  ///< of each part; empty: values without a codec
};

}  // namespace kvstone
