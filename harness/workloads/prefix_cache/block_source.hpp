#pragma once
// Where mode `live` has the K and V of requests from: computed by a model, or drawn.

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

/// K and V of a block; K alone of latent attention.
struct KvBlock {
    std::optional<HostTensor> k;
    std::optional<HostTensor> v;
};

/// One client's request at a time. Methods from begin() on may be called beside those of other clients.
class RequestSource {
  public:
    virtual ~RequestSource() = default;
    /// Gets ready, untimed. A block's `found` first ones will be put.
    virtual void begin(TraceRequest const& request, std::uint64_t found) = 0;
    /// K or V of a found block, decoded. REQUIRES: blocks come in their order.
    virtual void put(std::uint64_t block, Component component, KvView const& decoded) = 0;
    /// Computes everything behind the found blocks, the last token of the request in any case.
    virtual void compute() = 0;
    /// Of a block of the request. REQUIRES: compute() was called.
    virtual KvBlock take(std::uint64_t block) = 0;
    /// Seconds to compute all of a request, with nothing found; begin() is not called for it.
    virtual double compute_all_s(TraceRequest const& request) = 0;
};

class BlockSource {
  public:
    virtual ~BlockSource() = default;
    /// Of each block. Its tokens are the cell's context.
    virtual KvShape shape(Component component) const = 0;
    virtual ElementType type() const = 0;
    virtual Rope const* rope() const { return nullptr; }
    /// Tokens are below.
    virtual std::uint64_t vocabulary() const { return std::uint64_t{1} << 32U; }
    /// Whether compute() takes the time that a model takes; else what it takes says nothing.
    virtual bool computes() const = 0;
    /// Seconds to compute so many tokens of one request, nothing found. REQUIRES: computes(), and at most longest_tokens().
    virtual double compute_s(std::uint64_t /*tokens*/) { return 0; }
    /// Of all requests, their last blocks as a whole.
    virtual std::uint64_t longest_tokens() const { return 0; }
    /// What it holds beside each client's blocks.
    virtual std::uint64_t memory_bytes(std::uint64_t /*clients*/) const { return 0; }
    /// Before clients turn to these requests, untimed: makes what is drawn, and forgets what was before.
    virtual void prepare(std::span<TraceRequest const> /*requests*/) {}
    virtual std::unique_ptr<RequestSource> client() = 0;
};

/// Of every block K and V, all its tokens, drawn with a seed that its number decides; as the cell's source, which is
/// synthetic, for the rest.
std::unique_ptr<BlockSource> drawn_blocks(AttemptRequest const& request, RequestTrace const& trace);
/// K and V as the cell's model computes them of BlockTokens. Throws ConfigError where this build reads no models.
std::unique_ptr<BlockSource> model_blocks(AttemptRequest const& request, RequestTrace const& trace);

/// Of a request, to the end of its last block.
inline std::uint64_t whole_tokens(RequestTrace const& trace, TraceRequest const& request) {
    return std::max(request.tokens, request.blocks * trace.block_tokens);
}

}  // namespace kvstone
