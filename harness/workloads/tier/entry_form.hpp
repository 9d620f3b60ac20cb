#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codecs/container/tensor_codec.hpp"
#include "harness/workloads/tier/block_values.hpp"

namespace kvstone {

/// The bytes in which a tier holds a block: its values as they come, or K's and V's sealed containers, one behind the other.
/// On the host. Not thread-safe.
class EntryForm {
  public:
    /// `codec` nothing: values as they come. `blocks` outlive it.
    EntryForm(BlockValues const& blocks, std::optional<std::string> const& codec);

    bool is_coded() const { return !codecs_.empty(); }
    std::vector<std::byte> encode(std::span<std::byte const> values);
    /// Writes every value. Throws CorruptData.
    void decode(std::span<std::byte const> entry, std::span<std::byte> values);
    /// The same with nothing but the entry's own bytes: what decode() is held against.
    std::vector<std::byte> decode_alone(std::span<std::byte const> entry) const;

  private:
    BlockValues const* blocks_;
    std::vector<TensorCodec> codecs_;  ///< of each part; none: values as they come
};

}  // namespace kvstone
