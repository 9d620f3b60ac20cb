#pragma once
// From scored tokens to figures.

#include <vector>

#include "harness/workloads/model/evaluation.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// The scores of one passage.
struct PassageScores {
    std::vector<TokenScore> tokens;
    std::optional<GreedyPair> greedy;
    CacheBytes k, v;
    double context_tokens_per_s = 0;
    double greedy_tokens_per_s = 0;
    double context_tokens_per_joule = 0;  ///< 0: not told
    double greedy_tokens_per_joule = 0;
};

/// ppl, KLD, agreement and read fraction over all tokens, with intervals from resampling passages, and their profiles.
/// Requires at least one token.
void add_score_figures(std::vector<PassageScores> const& passages, Measurement& measurement);
/// exact_match and first_divergence_token, where passages have a greedy pair.
void add_greedy_figures(std::vector<PassageScores> const& passages, Measurement& measurement);
/// Bytes of K, V and both over all passages, or over as many caches.
void add_cache_figures(std::vector<CacheBytes> const& k, std::vector<CacheBytes> const& v, Measurement& measurement);
void add_cache_figures(std::vector<PassageScores> const& passages, Measurement& measurement);
/// Median rates over passages, by time and by energy.
void add_rate_figures(std::vector<PassageScores> const& passages, Measurement& measurement);

/// The number of equal tokens at the beginning of both.
std::uint64_t first_divergence(GreedyPair const& pair);

}  // namespace kvstone
