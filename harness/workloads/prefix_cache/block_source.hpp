#pragma once
// The source of K and V for requests in mode `live`: computed by a model, or drawn.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "codecs/codec.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/prefix_cache/request_keys.hpp"

namespace kvstone {

/// K and V of a block; for latent attention K alone.
struct KvBlock {
    std::optional<HostTensor> k;
    std::optional<HostTensor> v;
};

/// One client's request at a time. Methods from begin() on may run beside those of other clients.
class RequestSource {
  public:
    virtual ~RequestSource() = default;
    /// Prepares a request, untimed. Its first `found` blocks will be put.
    virtual void begin(TraceRequest const& request, std::uint64_t found) = 0;
    /// K or V of a found block, decoded. REQUIRES: blocks come in their order.
    virtual void put(std::uint64_t block, Component component, KvView const& decoded) = 0;
    /// Computes everything behind the found blocks, in any case the last token of the request.
    virtual void compute() = 0;
    /// K and V of a block of the request. REQUIRES: compute() was called.
    virtual KvBlock take(std::uint64_t block) = 0;
    /// Seconds to compute all of a request, with no block found; begin() is not called for it.
    virtual double compute_all_s(TraceRequest const& request) = 0;
};

class BlockSource {
  public:
    virtual ~BlockSource() = default;
    /// The shape of each block. A block has as many tokens as the cell's context.
    virtual KvShape shape(Component component) const = 0;
    virtual ElementType type() const = 0;
    virtual Rope const* rope() const { return nullptr; }
    /// Tokens are below this number.
    virtual std::uint64_t vocabulary() const { return std::uint64_t{1} << 32U; }
    /// Whether compute() takes the time of a model; otherwise its time means nothing.
    virtual bool computes() const = 0;
    /// Seconds to compute this many tokens of one request, no block found. REQUIRES: computes(), and at most
    /// longest_tokens().
    virtual double compute_s(std::uint64_t /*tokens*/) { return 0; }
    /// The longest of all requests, their last blocks counted as full.
    virtual std::uint64_t longest_tokens() const { return 0; }
    /// Memory of the source, besides each client's blocks.
    virtual std::uint64_t memory_bytes(std::uint64_t /*clients*/) const { return 0; }
    /// Called before clients turn to these requests, untimed: draws their values, and forgets earlier ones.
    virtual void prepare(std::span<TraceRequest const> /*requests*/) {}
    virtual std::unique_ptr<RequestSource> client() = 0;
};

/// Draws K and V of every block, for all its tokens, with a seed from its number; otherwise as the cell's synthetic
/// source.
std::unique_ptr<BlockSource> drawn_blocks(AttemptRequest const& request, RequestTrace const& trace);
/// K and V that the cell's model computes from BlockTokens. Throws ConfigError where this build reads no models.
std::unique_ptr<BlockSource> model_blocks(AttemptRequest const& request, RequestTrace const& trace);

/// Tokens of a request, to the end of its last block.
inline std::uint64_t whole_tokens(RequestTrace const& trace, TraceRequest const& request) {
    return std::max(request.tokens, request.blocks * trace.block_tokens);
}

}  // namespace kvstone
