#pragma once
// One step of decoding over caches that hold keys and values as a codec stores them: every query attends to all tokens of
// its sequence, and nothing is decoded to memory but a few vectors at a time.

#include <cstdint>
#include <span>

#include "backends/backend.hpp"
#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

struct StoredCache {
    StoredRows k;
    StoredRows v;  ///< as many layers, heads and tokens; a dim of its own
};

/// Query heads [g G, (g + 1) G) attend to KV head g; their queries are the rows of it. All memory is the backend's but the
/// span itself.
struct AttentionStep {
    std::span<StoredCache const> sequences;  ///< one or more, which agree in layers, heads and dims
    float const* queries = nullptr;          ///< [sequence][layer][KV head][row][dim of K]
    float* outputs = nullptr;                ///< [sequence][layer][KV head][row][dim of V]
    std::uint64_t rows = 1;                  ///< G times the queries of a head
    double scale = 1;                        ///< of logits

    /// KV heads of all sequences.
    std::uint64_t heads() const { return sequences.size() * sequences[0].k.shape.layers * sequences[0].k.shape.heads; }
};

/// Fills step.outputs: softmax(scale q.k) v, see attention_lanes.hpp. On the host KV heads are handed out to threads, and
/// attend_head() takes each; on a device it is attend_plainly(). Results do not depend on the number of threads.
void attend(BackendKind kind, AttentionStep const& step);

/// The same from plain loops in double precision, on any backend: one thread takes plain_split_tokens tokens of a KV head.
/// Takes memory for the parts' outputs.
void attend_plainly(BackendKind kind, AttentionStep const& step);

inline constexpr std::uint64_t plain_split_tokens = 256;

}  // namespace kvstone
