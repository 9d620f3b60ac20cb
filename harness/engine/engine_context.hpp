#pragma once
// The engine's cache, graph and threads for a sequence, set up in one way everywhere, so that compared values are
// computed alike.

#include <cstdint>
#include <memory>

#include "harness/engine/engine.hpp"
#include "harness/engine/engine_cache.hpp"

struct llama_context;
struct ggml_tensor;

namespace kvstone {

/// The most tokens that run at once: limits the engine's memory besides cache and weights.
inline constexpr std::uint64_t engine_batch_tokens = 512;
/// Tokens that run at once where their logits are asked for: a proof of the first few needs no more, and the memory of
/// attention stays in the processor's caches.
inline constexpr std::uint64_t scored_batch_tokens = 64;
/// Tokens of branches that run at once: each attends to the cells of all of them, whose number the engine rounds up to
/// a multiple of 256. Behind a context of 512 and one more sentence it is 768.
inline constexpr std::uint64_t branch_batch_tokens = 192;
/// The most branches that run at once.
inline constexpr std::uint64_t engine_branches = 32;

struct EngineContextDeleter {
    void operator()(llama_context* context) const;
};
using EngineContext = std::unique_ptr<llama_context, EngineContextDeleter>;

/// Called before and after each step of the graph, as the engine's own callback is.
using GraphListener = bool (*)(ggml_tensor* step, bool ask, void* user_data);

/// Room for `tokens` tokens of one sequence, and of `branches` more that may continue it, in a cache of f32 without flash
/// attention, or as asked; layers with a sliding window keep all tokens. On a device where the model's layers are. Throws
/// SystemError where the engine fails, NotApplicable where it has no such cache for this model.
EngineContext open_context(Engine const& engine, std::uint64_t tokens, std::uint64_t branches = 0,
                           GraphListener listener = nullptr, void* user_data = nullptr, EngineCache const& cache = {});

}  // namespace kvstone
