#include "harness/workloads/tasks/batch.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

void score_choice(Evaluation& evaluation, ScoredText const& text, ItemOutcome& item, Answered& answered) {
    auto const scores = evaluation.score(text.tokens);
    ChoiceScore coded, baseline;
    // Scores begin with the second token.
    for (auto const& token : std::span(scores).subspan(text.scored_from - 1)) {
        coded.log_likelihood -= token.nll;
        coded.greedy = coded.greedy && token.top;
        baseline.log_likelihood -= token.baseline_nll;
        baseline.greedy = baseline.greedy && token.baseline_top;
        answered.read_fraction += token.read_fraction;
        answered.scored_tokens += 1;
        answered.lost_tokens += std::isfinite(token.nll) ? 0 : 1;
    }
    item.scores.push_back(coded);
    item.baseline_scores.push_back(baseline);
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
        auto& texts = batch.texts.emplace_back();
        for (std::size_t i = 0; i < item.choices.size(); ++i, ++next) {
            if (next->tokens.size() > engine.trained_tokens())
                throw ConfigError(item.origin +
                                      ": the model was trained on shorter texts than this item takes behind "
                                      "its prefix",
                                  fmt::format("{} tokens", next->tokens.size()),
                                  {fmt::format("up to {} tokens", engine.trained_tokens())});
            auto const start = static_cast<std::ptrdiff_t>(batch.context.size());
            texts.push_back(
                {{next->tokens.begin() + start, next->tokens.end()}, next->scored_from - batch.context.size()});
        }
    }
    return batch;
}

std::uint64_t longest_text(Batch const& batch) {
    std::uint64_t longest = 0;
    for (auto const& texts : batch.texts)
        for (auto const& text : texts) longest = std::max<std::uint64_t>(longest, text.tokens.size());
    return batch.context.size() + longest;
}

void answer(Evaluation& evaluation, Batch const& batch, Answered& answered) {
    auto const group = answered.k.size();
    evaluation.begin(batch.context);
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        auto const& item = batch.items[i];
        ItemOutcome outcome{group, item.gold, item.chance, {}, {}, {}};
        for (auto const& choice : item.choices) outcome.answer_bytes.push_back(choice.answer_bytes);
        for (auto const& text : batch.texts[i]) score_choice(evaluation, text, outcome, answered);
        answered.items.push_back(std::move(outcome));
    }
    answered.k.push_back(evaluation.bytes(Component::k));
    answered.v.push_back(evaluation.bytes(Component::v));
}

}  // namespace kvstone
