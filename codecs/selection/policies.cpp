#include "codecs/selection/policies.hpp"

#include <algorithm>
#include <cmath>

#include "backends/kernels/floats.hpp"
#include "backends/philox.hpp"

namespace kvstone {
namespace {

std::vector<Policy> const& table() {
    static std::vector<Policy> const all{
        // StreamingLLM (Xiao et al. 2023) as in kvpress: keys keep their positions.
        {.name = "streaming", .options = {}, .least_same = SameTokens::all},
        // kvpress, with another generator.
        {.name = "random", .options = {"window", "over", "seed"}, .score = score_random},
        // Devoto et al. 2024.
        {.name = "knorm", .options = {"window", "over"}, .score = score_knorm},
        // H2O (Zhang et al. 2023) as in kvpress: once, over the whole prompt.
        {.name = "h2o", .options = {"window", "over"}, .queries = true, .score = score_h2o},
        // SnapKV (Li et al. 2024).
        {.name = "snapkv", .options = {"window", "over", "kernel"}, .queries = true, .score = score_snapkv},
        // TOVA (Oren et al. 2024) as in kvpress: once, over the whole prompt.
        {.name = "tova",
         .options = {"window", "over"},
         .least_same = SameTokens::layer,
         .queries = true,
         .score = score_tova},
        // Expected Attention (Devoto et al. 2025).
        {.name = "expected_attention",
         .options = {"window", "over", "future", "covariance", "value_norm", "epsilon"},
         .queries = true,
         .rope = true,
         .score = score_expected_attention},
        // PyramidKV (Cai et al. 2024), numbers of tokens as in kvpress.
        {.name = "pyramid",
         .options = {"window", "over", "kernel", "beta"},
         .queries = true,
         .score = score_snapkv,
         .budgets = pyramid_budgets}};
    return all;
}

}  // namespace

std::span<Policy const> policies() { return table(); }

Policy const& policy_named(std::string_view name) {
    return *std::ranges::find(table(), name, &Policy::name);  // parsing lets no other name through
}

TokenScores score_random(SelectionTensors const& tensors, Options const& options, std::uint64_t layer,
                         std::uint64_t head) {
    PhiloxKey const key{static_cast<std::uint32_t>(options.integer("seed")), 0};
    TokenScores scores(tensors.k.shape.tokens);
    for (std::size_t t = 0; t < scores.size(); ++t) {
        auto const words = philox(
            {static_cast<std::uint32_t>(t), static_cast<std::uint32_t>(head), static_cast<std::uint32_t>(layer), 0},
            key);
        scores[t] = std::ldexp(words[0], -32) + std::ldexp(words[1] >> 11, -53);
    }
    return scores;
}

TokenScores score_knorm(SelectionTensors const& tensors, Options const&, std::uint64_t layer, std::uint64_t head) {
    TokenScores scores(tensors.k.shape.tokens);
    with_elements(tensors.k, [&](auto const k) {
        for (std::size_t t = 0; t < scores.size(); ++t) {
            double squares = 0;
            for (std::uint64_t c = 0; c < k.shape.dim; ++c) {
                double const value = to_float(k(layer, head, t, c));
                squares += value * value;
            }
            scores[t] = -std::sqrt(squares);
        }
    });
    return scores;
}

std::vector<std::uint64_t> pyramid_budgets(Options const& options, std::uint64_t layers, std::uint64_t tokens) {
    auto const all = static_cast<double>(tokens);
    auto const window = static_cast<double>(options.integer("window"));
    double const mean = all * (1 - (1 - options.number("share")));
    double least = mean / static_cast<double>(options.integer("beta"));
    double most = 2 * mean - least;
    if (most >= all - window) {
        most = all - window;
        least = 2 * mean - most;
    }
    // Where the slope has no room, as SnapKV; rounding is to the nearest whole number, halves to the even one.
    bool const slopes = layers > 1 && all >= most && most >= least && least >= window;
    double const step = slopes ? (most - least) / static_cast<double>(layers - 1) : 0;
    std::vector<std::uint64_t> budgets;
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        double const budget = std::nearbyint(slopes ? most - static_cast<double>(layer) * step : mean);
        budgets.push_back(static_cast<std::uint64_t>(std::clamp(budget, 1.0, all)));
    }
    return budgets;
}

}  // namespace kvstone
