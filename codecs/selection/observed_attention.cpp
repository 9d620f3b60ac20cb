// Policies that look at the attention of the prompt's own queries: all of them, those of a window, the last.

#include "codecs/selection/policies.hpp"
#include "codecs/selection/prompt_attention.hpp"

namespace kvstone {
namespace {

/// The attention that each token gets from the queries from `first` on, summed over queries, then over query heads.
TokenScores summed(PromptAttention const& attention, std::uint64_t first) {
    TokenScores sums(attention.tokens());
    for (std::uint64_t which = 0; which < attention.query_heads(); ++which)
        attention.attend(which, first, [&](std::uint64_t, std::span<double const> weights) {
            for (std::size_t t = 0; t < weights.size(); ++t) sums[t] += weights[t];
        });
    return sums;
}

}  // namespace

TokenScores score_h2o(SelectionTensors const& tensors, Options const&, std::uint64_t layer, std::uint64_t head) {
    PromptAttention const attention(tensors, layer, head);
    auto scores = summed(attention, 0);
    for (std::size_t t = 0; t < scores.size(); ++t)
        scores[t] /= static_cast<double>((scores.size() - t) * attention.query_heads());
    return scores;
}

TokenScores score_snapkv(SelectionTensors const& tensors, Options const& options, std::uint64_t layer,
                         std::uint64_t head) {
    PromptAttention const attention(tensors, layer, head);
    auto const window = static_cast<std::uint64_t>(options.integer("window"));
    auto const half = static_cast<std::uint64_t>(options.integer("kernel")) / 2;
    auto const before = attention.tokens() - window;  // the share is larger than the window
    auto const sums = summed(attention, before);
    TokenScores scores(attention.tokens());
    auto const parts = static_cast<double>(window * (2 * half + 1) * attention.query_heads());
    for (std::uint64_t t = 0; t < before; ++t) {
        double sum = 0;
        for (auto near = t - std::min(t, half); near <= t + half && near < before; ++near) sum += sums[near];
        scores[t] = sum / parts;
    }
    return scores;
}

/// The mean over this KV head's query heads; that over the layer's heads is made of these.
TokenScores score_tova(SelectionTensors const& tensors, Options const&, std::uint64_t layer, std::uint64_t head) {
    PromptAttention const attention(tensors, layer, head);
    auto scores = summed(attention, attention.tokens() - 1);
    for (auto& score : scores) score /= static_cast<double>(attention.query_heads());
    return scores;
}

}  // namespace kvstone
