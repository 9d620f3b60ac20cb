#pragma once
// The attention of a prompt's own queries, as policies look at it: softmax(q.k / sqrt(d)), causal, in double precision.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "codecs/selection/selection.hpp"

namespace kvstone {

/// Keys of one KV head of one layer, laid out for products with queries.
class PromptAttention {
  public:
    PromptAttention(SelectionTensors const& tensors, std::uint64_t layer, std::uint64_t head);

    std::uint64_t tokens() const { return tokens_; }
    /// Query heads that attend to the KV head.
    std::uint64_t query_heads() const { return query_heads_; }

    /// Weights of tokens 0 to the query's own, which sum to 1.
    using Take = std::function<void(std::uint64_t query, std::span<double const> weights)>;
    /// The queries [first, tokens()) of query head `which` of the KV head, in order.
    void attend(std::uint64_t which, std::uint64_t first, Take const& take) const;

  private:
    SelectionTensors const& tensors_;
    std::uint64_t layer_, head_, tokens_, dim_, query_heads_;
    double scale_;
    std::vector<double> panels_;  ///< [tokens / panel][dim][panel], zeros behind the last token
};

}  // namespace kvstone
