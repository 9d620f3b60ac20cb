#include "codecs/selection/prompt_attention.hpp"

#include <algorithm>
#include <cmath>

#include "backends/kernels/exponential.hpp"
#include "backends/kernels/floats.hpp"
#include "backends/kernels/simd_target.hpp"

namespace kvstone {
namespace {

/// Tokens whose logits are summed beside each other, and queries for which a panel of them stays in the nearest cache.
constexpr std::uint64_t panel = 32;
constexpr std::uint64_t queries_together = 16;

/// Products of one query with a panel's keys; each sum runs over channels in order.
inline void multiply_panel(double const* query, double const* keys, std::uint64_t dim, double* logits) {
    double sums[panel] = {};
    for (std::uint64_t c = 0; c < dim; ++c)
        for (std::uint64_t t = 0; t < panel; ++t) sums[t] += query[c] * keys[c * panel + t];
    std::copy_n(sums, panel, logits);
}

/// Logits to weights.
inline void softmax(std::span<double> logits) {
    double const most = *std::ranges::max_element(logits);
    for (auto& logit : logits) logit = exponential_of_nonpositive(logit - most);
    double sum = 0;
    for (double const weight : logits) sum += weight;
    for (auto& logit : logits) logit /= sum;
}

}  // namespace

PromptAttention::PromptAttention(SelectionTensors const& tensors, std::uint64_t layer, std::uint64_t head)
    : tensors_(tensors),
      layer_(layer),
      head_(head),
      tokens_(tensors.k.shape.tokens),
      dim_(tensors.k.shape.dim),
      query_heads_(tensors.q->shape.heads / tensors.k.shape.heads),
      scale_(1 / std::sqrt(static_cast<double>(tensors.query_dim != 0 ? tensors.query_dim : dim_))),
      panels_((tokens_ + panel - 1) / panel * dim_ * panel) {
    with_elements(tensors.k, [&](auto const k) {
        for (std::uint64_t t = 0; t < tokens_; ++t)
            for (std::uint64_t c = 0; c < dim_; ++c)
                panels_[(t / panel * dim_ + c) * panel + t % panel] = to_float(k(layer, head, t, c));
    });
}

void PromptAttention::attend(std::uint64_t which, std::uint64_t first, Take const& take) const {
    auto const row = (tokens_ + panel - 1) / panel * panel;
    std::vector<double> queries(queries_together * dim_);
    std::vector<double> logits(queries_together * row);
    for (; first < tokens_; first += queries_together) {
        auto const count = std::min(queries_together, tokens_ - first);
        with_elements(*tensors_.q, [&](auto const q) {
            for (std::uint64_t i = 0; i < count; ++i)
                for (std::uint64_t c = 0; c < dim_; ++c)
                    queries[i * dim_ + c] = to_float(q(layer_, head_ * query_heads_ + which, first + i, c)) * scale_;
        });
        at_simd_level([&] {
            for (std::uint64_t t = 0; t < first + count; t += panel)
                for (std::uint64_t i = 0; i < count; ++i)
                    if (t <= first + i)
                        multiply_panel(queries.data() + i * dim_, panels_.data() + t * dim_, dim_,
                                       logits.data() + i * row + t);
            for (std::uint64_t i = 0; i < count; ++i) softmax({logits.data() + i * row, first + i + 1});
        });
        for (std::uint64_t i = 0; i < count; ++i) take(first + i, {logits.data() + i * row, first + i + 1});
    }
}

}  // namespace kvstone
