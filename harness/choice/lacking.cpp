#include "harness/choice/lacking.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "results/record/metrics.hpp"

namespace kvstone {
namespace {

bool has(Candidate const& candidate, Constraint const& bound) {
    return candidate.left_out.empty() && figure_for(candidate, bound).has_value();
}

/// Figures that workload tasks alone writes (workloads/tasks/outcomes.cpp): of items of a file, of generated ones, of either.
bool is_of_files(std::string_view metric) { return metric.starts_with("acc") || metric.starts_with("baseline_acc"); }
bool is_of_tasks(std::string_view metric) {
    constexpr std::string_view of_either[] = {"flips_to_wrong", "flips_to_right", "mcnemar_p",
                                              "minimum_detectable_effect", "chance_accuracy"};
    return is_of_files(metric) || metric.find("recall_accuracy") != std::string_view::npos ||
           metric.starts_with("task_") || std::ranges::find(of_either, metric) != std::end(of_either);
}

}  // namespace

std::string lacking_figure(std::vector<Candidate> const& candidates, Bounds const& bounds) {
    for (auto const& bound : bounds.others)
        if (std::ranges::none_of(candidates, [&](Candidate const& one) { return has(one, bound); }))
            return bound.metric;
    return {};
}

std::string lacking_text(std::string const& database, std::string const& metric, std::string const& protocol,
                         std::vector<Candidate> const& all) {
    std::set<std::string> others;
    for (auto const& one : all)
        if (one.protocol != protocol && has(one, {.metric = metric})) others.insert("--protocol " + one.protocol);
    return fmt::format("Of codecs that could be chosen, no row of workload {} in {} has {} ({}), with protocol {}{}",
                       is_of_tasks(metric) ? "tasks" : "model", database, metric, find_metric(metric)->formula,
                       protocol, others.empty() ? "" : fmt::format("; others have it: {}", fmt::join(others, ", ")));
}

std::string settings_for(std::string const& metric, std::string const& protocol) {
    auto const tasks = !is_of_tasks(metric) ? std::string()
                       : is_of_files(metric)
                           ? fmt::format(", {{tasks: {{protocol: {}, task: hellaswag, file: FILE.jsonl}}}}", protocol)
                           : fmt::format(", {{tasks: {{protocol: {}, task: key_value, items: 72}}}}", protocol);
    return fmt::format(" --set 'workloads=[{{model: {{protocol: {}, passages: {}, continuation: 128}}}}{}]'", protocol,
                       passages_for_an_interval, tasks);
}

}  // namespace kvstone
