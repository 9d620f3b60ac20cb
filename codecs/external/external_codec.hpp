#pragma once
// Codecs that live outside this program: a command or a shared library that a scenario's `codecs:` names, and how they
// reach the stage `external`.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "codecs/stage.hpp"

namespace kvstone {

/// A codec whose bytes and arithmetic are another's. `section` says component, shape, and the first layer, head and
/// token; its type is f32. Values lie in [layer, head, token, dim] order, packed. Calls may come from several threads:
/// an instance that cannot bear it locks. encode() and decode() may run long; the attempt's limits hold.
class ExternalCodec {
  public:
    virtual ~ExternalCodec() = default;
    /// The most bytes that encode() may write for any values of such a section.
    virtual std::uint64_t max_bytes(Section const& section) = 0;
    /// Writes to the front of `out`, which has max_bytes(), and returns the number of bytes written, 0 included. Throws
    /// ExternalFailure, or NotApplicable where the codec does not take such a section.
    virtual std::uint64_t encode(Section const& section, float const* values, std::span<std::byte> out) = 0;
    /// Writes every value. `stored` may be bytes that encode() never wrote. Throws ExternalFailure, or CorruptData where the
    /// codec says that the bytes are broken.
    virtual void decode(Section const& section, std::span<std::byte const> stored, float* values) = 0;
    /// Bits per value that the codec's author promises; nothing: none are stated.
    virtual std::optional<double> nominal_bits() const = 0;
    /// A line in which the codec says what it is; "" where it says nothing.
    virtual std::string description() { return {}; }
};

/// Provides the codec of this name whose definition has this `ExternalDefinition::hash()`. The attempt's process
/// alone sets one: no other process starts a command or loads a library. The instance is started when it is first used.
using ExternalCodecs = std::function<std::shared_ptr<ExternalCodec>(std::string const& name, std::string const& hash)>;
void set_external_codecs(ExternalCodecs codecs);
/// Throws ConfigError where the program has set no provider, or where it has no such codec.
std::shared_ptr<ExternalCodec> external_codec(std::string const& name, std::string const& hash);

}  // namespace kvstone
