#pragma once
// Measured bytes of K and V of one layer under a codec: each in a container of its own, as caches hold layers.

#include <cstdint>
#include <map>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "harness/sources/model_cache.hpp"

namespace kvstone {

struct StoredBytes {
    std::uint64_t all = 0;
    std::uint64_t framing = 0;  ///< of them: headers and padding of the containers
    bool operator==(StoredBytes const&) const = default;
};

/// Encodes synthetic values (`llama` of synthetic.hpp) of the layer's shape at three lengths, two of them behind every
/// sink, window and open page of the codec. The bytes of longer tensors follow: the ledger grows by the same bytes from
/// page to page (`step_tokens`). The third length has to confirm it, to the byte where the codec's bytes do not depend
/// on values, and within a hundredth where they do. The bits that a method's name promises are not used.
class LayerBytes {
  public:
    /// Encodes. Throws ConfigError where the codec does not fit the shape, std::logic_error where a codec of fixed rate
    /// stores other bytes than it announced. The layer's most_tokens are ignored.
    LayerBytes(Codec const& codec, CachedLayer const& layer, ElementType type);

    /// Bytes of K and V of this many tokens. Throws ConfigError where the length can neither be extrapolated nor
    /// encoded as a whole (more than most_encoded_values).
    StoredBytes of(std::uint64_t tokens);
    /// Bytes of K and V of exactly this many tokens, encoded.
    StoredBytes encoded(std::uint64_t tokens) const;
    /// Bytes that a token adds in the long run.
    double growth_bytes() const { return static_cast<double>(step_.all) / static_cast<double>(step_tokens_); }

    bool fixed_rate() const { return fixed_rate_; }
    bool linear() const { return linear_; }
    std::uint64_t step_tokens() const { return step_tokens_; }
    /// The longest length that was encoded to measure this.
    std::uint64_t measured_tokens() const { return first_ + 2 * step_tokens_; }

    static constexpr std::uint64_t most_encoded_values = std::uint64_t{1} << 25;

  private:
    StoredBytes planned(std::uint64_t tokens) const;

    Codec codec_;
    CachedLayer layer_;
    ElementType type_;
    std::uint64_t step_tokens_ = 0;
    std::uint64_t first_ = 0;  ///< from here on the ledger is linear
    StoredBytes at_first_;
    StoredBytes step_;
    bool fixed_rate_ = true;
    bool linear_ = true;
    std::map<std::uint64_t, StoredBytes> known_;  ///< by length, for lengths below first_ + step_tokens_
};

}  // namespace kvstone
