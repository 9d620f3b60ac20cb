#include "harness/workloads/tasks/tasks.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/captures/capture_folder.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/model/engagement.hpp"
#include "harness/workloads/model/model_figures.hpp"
#include "harness/workloads/model/model_session.hpp"
#include "harness/workloads/tasks/batch.hpp"
#include "harness/workloads/tasks/groups.hpp"
#include "harness/workloads/tasks/tasks_options.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Where a prefix ends, tokenizers may join its last characters to the first of the next text.
constexpr std::uint64_t spare_tokens = 2;

/// That are to be compressed before each question, at least.
std::uint64_t context_tokens(Cell const& cell, Engine const& engine) {
    auto const least = cell.options.value("min_context_tokens", default_context_tokens);
    auto context = cell.context;
    if (context == 0) context = is_generated(task_of(cell.options)) ? engine.trained_tokens() / 2 : least;
    if (context < least)
        throw NotApplicable("the context is shorter than the text to be compressed before each question",
                            fmt::format("context {}", context), {fmt::format("min_context_tokens: {}", context)});
    if (context > engine.trained_tokens())
        throw NotApplicable(engine.path() + ": the model was trained on shorter texts than the context",
                            fmt::format("{}", context), {fmt::format("up to {} tokens", engine.trained_tokens())});
    return context;
}

std::vector<TaskGroup> groups_of(Cell const& cell, Engine const& engine, std::uint64_t context) {
    auto const task = task_of(cell.options);
    auto const wanted = cell.options.value("items", std::uint64_t{0});
    auto const tokens_of = [&](std::string_view text) { return engine.tokenize(text, true, "a prefix").size(); };
    if (is_generated(task))
        return story_groups({task, cell.options.value("seed", std::uint64_t{0}), 0, context + spare_tokens},
                            wanted != 0 ? wanted : generated_items, tokens_of);
    auto const items = items_of(cell.options, cell.locator);
    return file_groups(items, context + spare_tokens, wanted != 0 ? wanted : items.size(),
                       cell.locator.at("files").at("file"), tokens_of);
}

std::vector<Batch> batches_of(Cell const& cell, Engine const& engine) {
    auto const context = context_tokens(cell, engine);
    std::vector<Batch> batches;
    for (auto& group : groups_of(cell, engine, context)) {
        batches.push_back(batch_of(engine, std::move(group)));
        if (batches.back().context.size() < context)
            throw ConfigError("the model's tokenizer joins the end of the prefix with the text that follows it",
                              fmt::format("{} tokens in common", batches.back().context.size()),
                              {fmt::format("{} tokens", context)});
    }
    return batches;
}

bool same_continuation(std::vector<Batch> const& batches) {
    return std::ranges::all_of(batches, [](Batch const& batch) {
        return std::ranges::all_of(batch.items, [](TaskItem const& item) {
            return std::ranges::all_of(item.choices, [&](TaskChoice const& choice) {
                return choice.continuation == item.choices.front().continuation;
            });
        });
    });
}

double mean_context(std::vector<Batch> const& batches) {
    auto const sum = std::accumulate(batches.begin(), batches.end(), std::size_t{0},
                                     [](std::size_t tokens, Batch const& b) { return tokens + b.context.size(); });
    return static_cast<double>(sum) / static_cast<double>(batches.size());
}

}  // namespace

void run_tasks(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    if (lacks_model(cell, measurement)) return;
    ModelSession const session(cell, measurement);
    auto const batches = batches_of(cell, session.engine);
    std::uint64_t longest = 0;
    for (auto const& batch : batches) longest = std::max(longest, most_tokens(batch));
    auto const evaluation = session.evaluation(cell, longest, capture_folder(), engine_branches);

    auto const& first = batches.front();
    auto const failure = evaluation->prove(first.context, first.texts.front().text(0), first.texts, false);
    Answered answered;
    for (auto const& batch : batches) answer(*evaluation, batch, answered);
    refuse_lost_tokens(measurement, answered.lost_tokens);
    if (failure) refuse(measurement, Status::verify_failed, "kv", *failure);
    add_task_figures(answered.items, same_continuation(batches), measurement);
    FigureWriter figures(measurement, "kv");
    figures.add("compressed_read_fraction", answered.read_fraction / static_cast<double>(answered.scored_tokens),
                answered.scored_tokens, {});
    figures.add("task_context_tokens", mean_context(batches));
    add_cache_figures(answered.k, answered.v, measurement);
    add_engine_cache(*evaluation, session.settings, longest, answered.k.front(), answered.v.front(), measurement);
    add_memory_peaks(measurement);
    warn_unless_engaged(measurement, session.settings.protocol, 0);
    if (auto const why = poor_baseline(answered.items); !why.empty()) warn(measurement, why, true);
}

}  // namespace kvstone
