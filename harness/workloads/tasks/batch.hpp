#pragma once
// Items as tokens behind the compressed text, and a model's answers.

#include <cstdint>
#include <vector>

#include "harness/engine/branched_text.hpp"
#include "harness/workloads/model/evaluation.hpp"
#include "harness/workloads/tasks/outcomes.hpp"
#include "harness/workloads/tasks/task_item.hpp"

namespace kvstone {

/// A group cut into tokens: the compressed text, and its continuation for each choice of each item.
struct Batch {
    std::vector<Token> context;
    std::vector<TaskItem> items;
    std::vector<BranchedText> texts;  ///< of each item, a branch per choice, without the context
};

/// The context is the part of the prefix with which all texts begin. Throws ConfigError naming the item where the
/// vocabulary cannot spell it, or where the model was trained on shorter texts.
Batch batch_of(Engine const& engine, TaskGroup group);
/// Tokens of the context and of the texts read behind it at once: the longest text, or the largest group of texts.
std::uint64_t most_tokens(Batch const& batch);

/// The results of all items.
struct Answered {
    std::vector<ItemOutcome> items;
    std::vector<CacheBytes> k, v;  ///< of each batch
    double read_fraction = 0;      ///< summed over scored tokens
    std::uint64_t scored_tokens = 0;
    std::uint64_t lost_tokens = 0;  ///< scored tokens without a likelihood
};

/// Reads the context once and every text behind it.
void answer(Evaluation& evaluation, Batch const& batch, Answered& answered);

}  // namespace kvstone
