#include "harness/workloads/tasks/batch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/engine/scored_text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

void take_choice(BranchScore const& score, ItemOutcome& item, Answered& answered) {
    item.scores.push_back({score.coded.log_likelihood, score.coded.greedy});
    item.baseline_scores.push_back({score.baseline.log_likelihood, score.baseline.greedy});
    answered.read_fraction += score.read_fraction;
    answered.scored_tokens += score.tokens;
    answered.lost_tokens += score.coded.lost;
}

}  // namespace

Batch batch_of(Engine const& engine, TaskGroup group) {
    Batch batch{engine.tokenize(group.prefix, true, "a prefix"), std::move(group.items), {}};
    std::vector<ScoredText> all;
    for (auto const& item : batch.items)
        for (auto const& choice : item.choices)
            all.push_back(scored_text(engine, group.prefix + choice.context, choice.continuation, item.origin));
    batch.context.resize(shared_tokens(batch.context, all));
    auto next = all.begin();
    for (auto const& item : batch.items) {
        std::vector<std::vector<Token>> texts;
        std::vector<std::uint64_t> scored_from;
        for (std::size_t i = 0; i < item.choices.size(); ++i, ++next) {
            if (next->tokens.size() > engine.trained_tokens())
                throw ConfigError(item.origin +
                                      ": the model was trained on shorter texts than this item takes behind "
                                      "its prefix",
                                  fmt::format("{} tokens", next->tokens.size()),
                                  {fmt::format("up to {} tokens", engine.trained_tokens())});
            auto const start = static_cast<std::ptrdiff_t>(batch.context.size());
            texts.emplace_back(next->tokens.begin() + start, next->tokens.end());
            scored_from.push_back(next->scored_from - batch.context.size());
        }
        batch.texts.push_back(branched(texts, scored_from));
    }
    return batch;
}

std::uint64_t most_tokens(Batch const& batch) {
    std::uint64_t most = 0;
    for (auto const& text : batch.texts)
        for (std::size_t i = 0; i < text.branches.size(); ++i) most = std::max(most, text.size(i));
    for (auto const& group : group_branches(batch.texts, branch_batch_tokens, engine_branches))
        most = std::max<std::uint64_t>(most, group.tokens.size());
    return batch.context.size() + most;
}

void answer(Evaluation& evaluation, Batch const& batch, Answered& answered) {
    auto const group = answered.k.size();
    evaluation.begin(batch.context);
    auto const scores = evaluation.score(batch.texts);
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        auto const& item = batch.items[i];
        ItemOutcome outcome{group, item.gold, item.chance, {}, {}, {}};
        for (auto const& choice : item.choices) outcome.answer_bytes.push_back(choice.answer_bytes);
        for (auto const& score : scores[i]) take_choice(score, outcome, answered);
        answered.items.push_back(std::move(outcome));
    }
    answered.k.push_back(evaluation.bytes(Component::k));
    answered.v.push_back(evaluation.bytes(Component::v));
}

}  // namespace kvstone
