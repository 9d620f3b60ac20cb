#pragma once
// K or V as a codec stores them, laid out for kernels of attention that read stored bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/codec.hpp"
#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

/// Why no kernel of attention reads the bytes that a codec stores of a component; empty where one does. Such a codec is
/// a single stage for all of the component: fp16, bf16, fp8, q8_0, q4_0, nf4, int8, or int of 4 or 8 bits.
std::string attention_kernel_lacks(Codec const& codec, Component component);

/// Planes of one tensor of float32 values, copied from the sealed container into the backend's memory.
class StoredTensor {
  public:
    /// `values` is a tensor of f32 in the backend's memory. Throws NotApplicable where no kernel reads the codec's
    /// bytes, and ConfigError where it does not fit the shape.
    StoredTensor(Codec const& codec, Component component, KvView const& values, BackendKind kind);

    StoredRows const& rows() const { return rows_; }
    /// Bytes of the planes that an attention step reads.
    std::uint64_t plane_bytes() const { return plane_bytes_; }
    /// Hands the whole container to the caller; this object keeps none.
    std::vector<std::byte> take_container() { return std::move(container_); }
    std::uint64_t container_bytes() const { return container_bytes_; }

  private:
    std::vector<std::byte> container_;
    std::uint64_t container_bytes_ = 0;
    std::uint64_t plane_bytes_ = 0;
    Buffer planes_;
    StoredRows rows_;
};

}  // namespace kvstone
