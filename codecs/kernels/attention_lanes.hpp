#pragma once
// Attention of a few queries over one KV head, whose keys and values are decoded in registers. Host only.
//
// For the rows q of queries, keys k and values v of tokens t:
//   l(t) = scale q.k(t),  p(t) = exp(l(t) - m) / sum exp(l - m),  o = sum p(t) v(t),  m the largest logit
// Tokens come in blocks that stay in the nearest caches: a block is read from memory once, whatever the number of queries.
// Sums relative to the largest logit so far are scaled down whenever a larger one comes (online softmax, arXiv:1805.02867).
// Products and the sums over a block are in single precision, sums over blocks in double.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

/// What one task attends to, and with what.
struct AttendedHead {
    StoredRows const* k = nullptr;
    StoredRows const* v = nullptr;
    std::uint64_t layer = 0;
    std::uint64_t head = 0;
    float const* queries = nullptr;  ///< [row][dim of K]
    float* outputs = nullptr;        ///< [row][dim of V]
    std::uint64_t rows = 0;          ///< query heads of the KV head, times queries
    double scale = 1;                ///< of logits
};

/// Memory of one thread, reused from head to head.
using AttentionScratch = std::vector<std::byte>;

/// Fills head.outputs. They are NaN where a logit of theirs is NaN or infinite (but for -Inf, whose weight is 0), and where
/// a value is NaN. Behind each plane attention_slack_bytes may be read.
void attend_head(AttendedHead const& head, AttentionScratch& scratch);

inline constexpr std::size_t attention_slack_bytes = 64;

}  // namespace kvstone
