#pragma once
// From the results of single queries to figures of attention.

#include <vector>

#include "backends/kernels/attention.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// The results of one layer or head, or all of them. A figure is nothing where there is no query.
struct AttentionSummary {
    /// sqrt(sum (l' - l)^2 / sum (l - mean of l)^2), sums over queries and visible tokens, the mean over a query's own.
    /// 0 where no logit differs; else nothing where logits do not vary (one token). Where tokens were dropped, the errors of
    /// those that stay are counted visible / kept times.
    std::optional<double> logit_error;
    std::optional<double> kl;            ///< mean over queries, nats
    std::optional<double> kl_p999;       ///< least value with at least 99.9% of the queries at or below it
    std::optional<double> output_error;  ///< mean over queries of |o' - o| / |o|; 1 where o is zero and o' is not
    std::optional<double> output_error_p999;
    std::optional<double> mass_kept;          ///< mean over queries
    std::optional<double> top8_overlap;       ///< mean over queries of the share of the top 8 that stay
    std::optional<double> top8_overlap_p001;  ///< greatest value with at least 99.9% of the queries at or above it
};
AttentionSummary summarise_attention(std::vector<QueryComparison> const& queries);

/// Figures over all of results[layer][head][query] as "kv", and the means of each layer and query head as profiles.
/// `drops`: the codec drops tokens. The mass of those that stay is then a figure, and the divergence is one where it is
/// finite.
void add_attention_figures(std::vector<QueryComparison> const& results, std::uint64_t layers, std::uint64_t heads,
                           bool drops, Measurement& measurement);

}  // namespace kvstone
