#include "harness/workloads/tasks/tasks_options.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/workloads/model_options.hpp"
#include "harness/workloads/tasks/formats.hpp"
#include "harness/workloads/tasks/recall.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_items = 1'000'000;

}  // namespace

std::string task_of(Json const& options) { return options.value("task", ""); }

bool is_generated(std::string const& task) { return std::ranges::find(recall_kinds(), task) != recall_kinds().end(); }

std::vector<TaskItem> items_of(Json const& options, Json const& locator) {
    auto const files = locator.value("files", Json::object());
    return read_items(task_of(options), files.value("file", ""), files.value("labels", ""));
}

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

}  // namespace kvstone
