// `kvstone list`: the codecs, stages and other names of this build.

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>

#include <fmt/format.h>

#include "codecs/codec.hpp"
#include "codecs/text/presets.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/list_details.hpp"
#include "harness/cli/list_tables.hpp"
#include "harness/workloads/workload.hpp"
#include "results/record/text_table.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct Subject {
    QueryResult (*rows)();  ///< for programs
    /// Fewer columns for people; null: all rows as they are.
    QueryResult (*overview)() = nullptr;
    /// One of them in full, by name; null: its rows.
    void (*details)(std::ostream& out, std::string const& name, Screen const& screen) = nullptr;
};

/// The columns of this name, of the rows that `keep` takes.
template <class Keep>
QueryResult part_of(QueryResult const& all, std::vector<std::string> const& columns, Keep keep) {
    QueryResult part{columns, {}};
    for (auto const& row : all.rows) {
        if (!keep(row)) continue;
        auto& line = part.rows.emplace_back();
        for (auto const& column : columns)
            line.push_back(row[static_cast<std::size_t>(std::ranges::find(all.columns, column) - all.columns.begin())]);
    }
    return part;
}

QueryResult overview_of_stages() {
    return part_of(list_stages(), {"stage", "kind", "summary"}, [](auto const&) { return true; });
}

QueryResult overview_of_metrics() {
    return part_of(list_metrics(), {"metric", "unit", "better", "formula"}, [](auto const&) { return true; });
}

QueryResult overview_of_workloads() {
    return part_of(list_workloads(), {"workload", "summary"},
                   [](auto const& row) { return std::holds_alternative<std::nullptr_t>(row[1]); });
}

QueryResult overview_of_codecs() {
    QueryResult table{{"codec", "summary"}, {}};
    for (auto const& preset : presets()) table.rows.push_back({preset.usage(), std::string(preset.summary)});
    for (auto const& stage : registered_stages()) table.rows.push_back({stage.example, stage.summary});
    return table;
}

std::map<std::string, Subject> const subjects{{"backends", {list_backends}},
                                              {"codecs", {list_codecs, overview_of_codecs, print_codec}},
                                              {"metrics", {list_metrics, overview_of_metrics, print_metric}},
                                              {"models", {list_models}},
                                              {"scenarios", {list_scenarios}},
                                              {"schema", {list_schema}},
                                              {"sources", {list_sources}},
                                              {"stages", {list_stages, overview_of_stages, print_stage}},
                                              {"workloads", {list_workloads, overview_of_workloads, print_workload}}};

/// Rows whose first column is the name; else those where it is the name with options; else those where it holds the name.
QueryResult rows_named(QueryResult const& all, std::string const& subject, std::string const& name) {
    auto const first = [](auto const& row) { return std::get<std::string>(row[0]); };
    for (auto const& is_meant : std::vector<std::function<bool(std::string const&)>>{
             [&](std::string const& text) { return text == name; },
             [&](std::string const& text) { return text.starts_with(name + ":"); },
             [&](std::string const& text) { return text.find(name) != std::string::npos; }}) {
        auto found = part_of(all, all.columns, [&](auto const& row) { return is_meant(first(row)); });
        if (!found.rows.empty()) return found;
    }
    throw ConfigError(fmt::format("no entry of this list has this name; `kvstone list {}` names them all", subject),
                      name);
}

ExitCode list(CommandLine const& line, std::string const& name_of_subject, std::string const& name) {
    auto const& subject = subjects.at(name_of_subject);
    auto const screen = standard_output();
    if (line.json) {
        auto const all = subject.rows();
        print(std::cout, name.empty() ? all : rows_named(all, name_of_subject, name), TableFormat::json);
    } else if (name.empty()) {
        print(std::cout, subject.overview != nullptr ? subject.overview() : subject.rows(), TableFormat::table, screen);
        if (subject.details != nullptr) {
            std::cout << '\n';
            print_words(fmt::format("`kvstone list {} NAME` tells everything about one of them.", name_of_subject));
        }
    } else if (subject.details != nullptr) {
        subject.details(std::cout, name, screen);
    } else {
        print(std::cout, rows_named(subject.rows(), name_of_subject, name), TableFormat::table, screen);
    }
    return exit_pass;
}

}  // namespace

void add_list(CommandLine& line) {
    auto subject = std::make_shared<std::string>();
    auto name = std::make_shared<std::string>();
    auto* command =
        line.verb("list", "List codecs, stages, backends, sources, models, workloads, metrics, scenarios or the schema",
                  {"kvstone list stages", "kvstone list stages int"});
    std::vector<std::string> names;
    for (auto const& [known, content] : subjects) names.push_back(known);
    command->add_option("subject", *subject, "The list to print")->required()->check(CLI::IsMember(names));
    command->add_option("name", *name, "An entry of the list, shown in full: `kvstone list stages int`");
    command->callback(
        [&line, subject, name] { line.action = [&line, subject, name] { return list(line, *subject, *name); }; });
}

}  // namespace kvstone
