#pragma once
// From answered items to figures.

#include <cstdint>
#include <string>
#include <vector>

#include "results/record/measurement.hpp"

namespace kvstone {

/// A model's score of one choice, from one cache.
struct ChoiceScore {
    double log_likelihood = 0;  ///< nat, summed over the tokens of the continuation
    bool greedy = true;         ///< each of those tokens was the most likely one
};

/// One item, asked with a codec in the model's cache and without.
struct ItemOutcome {
    std::uint64_t group = 0;  ///< items of one group were asked behind one text
    std::size_t gold = 0;
    double chance = 0;
    std::vector<std::uint64_t> answer_bytes;  ///< of each choice
    std::vector<ChoiceScore> scores;
    std::vector<ChoiceScore> baseline_scores;
};

/// acc and acc_norm of items with several choices (acc_norm unless the scored text is the same for all), else
/// recall_accuracy; each beside its baseline and the paired difference; flips, McNemar's p, the least difference that
/// this many items can show, chance and the number of items. Requires at least one item; all have one choice, or all
/// several.
///
/// Intervals are of 95%. For shares: Wilson's, over the number of independent items with the same variance (items
/// behind one generated story are a cluster). For differences: percentile bootstrap of pairs, which draws clusters and
/// the items in them.
void add_task_figures(std::vector<ItemOutcome> const& items, bool same_continuation, Measurement& measurement);

/// Why these items cannot judge a codec: without one the model answers no more of them than guessing would (Wilson's
/// lower end is not above chance); empty where they can.
std::string poor_baseline(std::vector<ItemOutcome> const& items);

}  // namespace kvstone
