#include "harness/workloads/tasks/tasks.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/attempts/process_memory.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/model/model_figures.hpp"
#include "harness/workloads/model/model_session.hpp"
#include "harness/workloads/tasks/batch.hpp"
#include "harness/workloads/tasks/formats.hpp"
#include "harness/workloads/tasks/groups.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_items = 1'000'000;
constexpr std::uint64_t generated_items = 96;
constexpr std::uint64_t default_context_tokens = 512;

bool is_generated(std::string const& task) { return std::ranges::find(recall_kinds(), task) != recall_kinds().end(); }

std::string task_of(Json const& options) { return options.value("task", ""); }

std::vector<TaskItem> items_of(Json const& options, Json const& locator) {
    auto const files = locator.value("files", Json::object());
    return read_items(task_of(options), files.value("file", ""), files.value("labels", ""));
}

}  // namespace

std::vector<WorkloadOption> tasks_options() {
    using enum WorkloadOption::Kind;
    auto names = item_formats();
    names.insert(names.end(), recall_kinds().begin(), recall_kinds().end());
    return {protocol_option(),
            {"task", choice, {}, names, 0, 0, "a format of multiple-choice files, or a kind of generated recall"},
            {"file", file, "", {}, 0, 0, "of items, one JSON object a line"},
            {"labels", file, "", {}, 0, 0, "of right answers, one a line, where items do not tell them (PIQA)"},
            {"items",
             number,
             0,
             {},
             0,
             most_items,
             fmt::format("asked at most; 0: all of a file, {} generated ones", generated_items)},
            {"min_context_tokens",
             tokens,
             default_context_tokens,
             {},
             1,
             std::uint64_t{1} << 24,
             "compressed before each question, at least"},
            {"seed", number, 0, {}, 0, UINT64_MAX, "of generated items"},
            prefill_option()};
}

void check_tasks(Json const& options, Json const& locator) {
    auto const task = task_of(options);
    bool const has_file = options.contains("file");
    if (is_generated(task)) {
        if (has_file || options.contains("labels"))
            throw ConfigError("task " + task + " is generated and reads no file", "file", item_formats());
        return;
    }
    if (!has_file) throw ConfigError("task " + task + " needs a file of items", "file", {"file: FILE.jsonl"});
    if (options.contains("seed"))
        throw ConfigError("task " + task + " is read from a file: nothing is drawn", "seed", recall_kinds());
    items_of(options, locator);
}

#ifdef KVSTONE_HAS_LLAMA

namespace {

/// Where a prefix ends, tokenizers may join its last characters to the first of what follows.
constexpr std::uint64_t spare_tokens = 2;

/// That are to be compressed before each question, at least.
std::uint64_t context_tokens(Cell const& cell, Engine const& engine) {
    auto const least = cell.options.value("min_context_tokens", default_context_tokens);
    auto context = cell.context;
    if (context == 0) context = is_generated(task_of(cell.options)) ? engine.trained_tokens() / 2 : least;
    if (context < least)
        throw NotApplicable("the context is shorter than what is to be compressed before each question",
                            fmt::format("context {}", context), {fmt::format("min_context_tokens: {}", context)});
    if (context > engine.trained_tokens())
        throw ConfigError(engine.path() + ": the model was trained on shorter texts than the context",
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
            throw ConfigError("the model's tokenizer joins the end of the prefix with what follows it",
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
    for (auto const& batch : batches) longest = std::max(longest, longest_text(batch));
    auto const evaluation = session.evaluation(cell, longest);

    auto const& first = batches.front();
    auto const& text = first.texts.front().front().tokens;
    auto const failure = evaluation->prove(first.context, text);
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
    figures.add("peak_rss_bytes", static_cast<double>(own_peak_rss_bytes()));
    warn_unless_engaged(measurement);
    if (auto const why = poor_baseline(answered.items); !why.empty()) warn(measurement, why, true);
}

#else

void run_tasks(AttemptRequest const&, Measurement& measurement) {
    measurement.status = Status::skipped;
    measurement.reason = "this build reads no models: it was made without libllama";
}

#endif

}  // namespace kvstone
