#pragma once
// The policies of stage `keep`. kvpress (NVIDIA, Apache-2.0, version 0.5.5) and the papers define them; no code is theirs.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "codecs/options.hpp"
#include "codecs/selection/selection.hpp"

namespace kvstone {

/// Scores of a prompt's tokens in one KV head of one layer: the higher, the sooner a token stays.
using TokenScores = std::vector<double>;

/// Scores by one policy. Requires the tensors that the policy needs.
using ScoreHead = TokenScores (*)(SelectionTensors const& tensors, Options const& options, std::uint64_t layer,
                                  std::uint64_t head);

struct Policy {
    std::string_view name;
    /// Options besides policy, share and sink that it takes.
    std::vector<std::string_view> options;
    /// The least that tokens are the same over, whatever the option says.
    SameTokens least_same = SameTokens::head;
    bool queries = false;
    bool rope = false;
    /// Null: scores follow from the token's place alone (streaming).
    ScoreHead score = nullptr;
    /// Tokens that stay in each layer; null: the share of each.
    std::vector<std::uint64_t> (*budgets)(Options const& options, std::uint64_t layers, std::uint64_t tokens) = nullptr;
};

std::span<Policy const> policies();
Policy const& policy_named(std::string_view name);

/// Scores of the policies, a file each where they take more than a few lines.
TokenScores score_random(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
TokenScores score_knorm(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
TokenScores score_h2o(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
TokenScores score_snapkv(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
TokenScores score_tova(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
TokenScores score_expected_attention(SelectionTensors const&, Options const&, std::uint64_t layer, std::uint64_t head);
std::vector<std::uint64_t> pyramid_budgets(Options const& options, std::uint64_t layers, std::uint64_t tokens);

}  // namespace kvstone
