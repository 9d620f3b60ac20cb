#pragma once
// A codec bound to one tensor: workloads encode and decode with it.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "codecs/ledger.hpp"
#include "codecs/pipeline/checked_decode.hpp"
#include "codecs/rope.hpp"

namespace kvstone {

/// Encodes and decodes one K or V tensor on one backend. Buffers are kept: once warmed by a first pass, encode() and
/// decode() allocate nothing. The tensor is cut into sections, the largest boxes of layers x heads x tokens that belong
/// to one rule; "per tensor" inside a stage means per section.
class TensorCodec {
  public:
    /// `rope` is the rotary embedding of K and is copied; null where it is not known. Throws ConfigError where the
    /// codec's options do not fit the shape.
    TensorCodec(Codec const& codec, Component component, KvShape const& shape, ElementType type, BackendKind backend,
                Rope const* rope = nullptr);
    ~TensorCodec();
    TensorCodec(TensorCodec&&) noexcept;

    /// Tensor to stored planes, in the backend's memory. Requires the shape and type given above. Never writes to it.
    /// Throws ConfigError where the codec needs RoPE and none was given.
    void encode(KvView const& tensor);
    /// Stored planes back to a tensor. Requires an encode() or load() before. Every value of `tensor` is written.
    /// Throws CorruptData where the codec cannot have written the planes, UnwrittenValues where a stage left values
    /// unwritten (for checking alone).
    void decode(KvView const& tensor, DecodeFor purpose = DecodeFor::checking) const;

    /// Stored bytes by account, headers of the sealed container included, and the workspace in use.
    ByteLedger ledger() const;
    /// The most bytes that encode() may store, known without encoding; `exact`: it always stores this many.
    struct Planned {
        ByteLedger ledger;
        bool exact = true;
    };
    Planned planned() const;
    /// The planes as one self-describing, checksummed container (see container.hpp), in host memory.
    std::vector<std::byte> seal() const;
    /// Takes the planes from a container. Throws CorruptData, also where it holds another codec, shape or type.
    void load(std::span<std::byte const> container);
    /// Bits per value that the method's name promises, side data left out (8 for int8, 4 for nf4).
    double nominal_bits_per_value() const;
    /// Bytes that encode() has to read plus write at the least, and decode() likewise: the M of a roofline fraction. A
    /// method with one range over all values has to read every value twice.
    std::size_t encode_traffic_bytes() const;
    std::size_t decode_traffic_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A container's description of itself.
struct ContainerInfo {
    std::uint32_t version = 0;
    std::string codec;  ///< canonical text
    Component component = Component::k;
    KvShape shape;
    ElementType type = ElementType::f32;
    ByteLedger ledger;
};

/// Checks magic, version, lengths and checksum. Throws CorruptData.
ContainerInfo inspect_container(std::span<std::byte const> container);
/// Decodes a container with nothing but its own bytes, on the host, into values packed as [layer, head, token, dim] of
/// the container's element type. Throws CorruptData.
std::vector<std::byte> decode_container(std::span<std::byte const> container);

}  // namespace kvstone
