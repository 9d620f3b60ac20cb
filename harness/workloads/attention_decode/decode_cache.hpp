#pragma once
// The caches of a batch of sequences in the stored form of a codec.

#include <cstdint>
#include <utility>
#include <vector>

#include "backends/host_tensor.hpp"
#include "codecs/codec.hpp"
#include "codecs/container/stored_tensor.hpp"
#include "codecs/kernels/coded_attention.hpp"

namespace kvstone {

/// Values of any element type as floats, on the host.
std::vector<float> floats_of(HostTensor const& tensor);

/// K and V as float32.
struct DecodeTensors {
    KvShape k_shape;
    KvShape v_shape;
    std::vector<float> k;
    std::vector<float> v;
};

/// K and V of one sequence in host memory, decoded.
struct DecodedCache {
    std::vector<float> k;
    std::vector<float> v;
};

/// Sequence s of n holds the source's tokens from s / n of the context on, and then the tokens before them: caches of
/// their own, of the same shape.
class DecodeCache {
  public:
    /// Throws NotApplicable where no kernel of attention reads the codec's bytes.
    DecodeCache(Codec const& codec, DecodeTensors const& tensors, std::uint64_t sequences, BackendKind kind);

    std::vector<StoredCache> const& sequences() const { return caches_; }
    std::uint64_t plane_bytes() const { return plane_bytes_; }
    std::uint64_t container_bytes() const { return container_bytes_; }
    /// The decoded containers of the first sequence and, with more than one, of the last. They are kept until the first
    /// call.
    std::vector<std::pair<std::uint64_t, DecodedCache>> decode_ends();

  private:
    std::vector<StoredTensor> stored_;  ///< K and V in turn
    std::vector<StoredCache> caches_;
    std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> kept_;  ///< containers by sequence, K and V in turn
    std::uint64_t plane_bytes_ = 0;
    std::uint64_t container_bytes_ = 0;
};

}  // namespace kvstone
