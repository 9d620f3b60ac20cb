#include "harness/cli/list_details.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "codecs/access.hpp"
#include "codecs/engines.hpp"
#include "codecs/registry.hpp"
#include "codecs/text/presets.hpp"
#include "harness/cli/list_tables.hpp"
#include "harness/workloads/workload.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

void print_heading(std::ostream& out, std::string const& name, std::string const& summary, Screen const& screen) {
    out << screen.bold(name) << '\n' << wrapped(summary, screen.columns) << "\n\n";
}

void print_title(std::ostream& out, std::string const& title, Screen const& screen) {
    out << '\n' << screen.bold(title) << '\n';
}

TextTable options_table() { return TextTable({{"option"}, {"takes"}, {"default"}, {"meaning"}}); }

void print_options(std::ostream& out, std::vector<OptionSpec> const& options, Screen const& screen) {
    if (options.empty()) return;
    print_title(out, "Options", screen);
    auto table = options_table();
    for (auto const& option : options)
        table.add({option.name, option.accepted(), option.default_value.value_or("must be given"), option.help});
    table.print(out, screen);
}

StageSummary const* find_summary(std::vector<StageSummary> const& stages, std::string const& name) {
    auto const found = std::ranges::find(stages, name, &StageSummary::name);
    return found == stages.end() ? nullptr : &*found;
}

/// The nearest settings to a codec in each engine, and the differences.
void print_engines(std::ostream& out, Codec const& codec, Screen const& screen) {
    auto const nearest = nearest_settings(codec);
    print_title(out, "Nearest settings of serving engines", screen);
    print_fields(out,
                 {{"vLLM", nearest.vllm},
                  {"SGLang", nearest.sglang},
                  {"LMCache", nearest.lmcache},
                  {"llama.cpp", nearest.llama_cpp}},
                 screen);
    for (auto const& difference : nearest.differences) out << wrapped("- " + difference, screen.columns, 2) << '\n';
}

/// The page's lines, each with its continuation lines under the place where its words begin.
void print_page(std::ostream& out, std::string_view page, Screen const& screen) {
    while (!page.empty()) {
        auto const end = std::min(page.find('\n'), page.size());
        auto const line = page.substr(0, end);
        auto const label = line.starts_with(' ') ? 0 : line.find("  ");
        auto const words = line.find_first_not_of(' ', label == std::string_view::npos ? 0 : label);
        out << wrapped(line, screen.columns, words == std::string_view::npos ? 0 : words) << '\n';
        page.remove_prefix(std::min(end + 1, page.size()));
    }
}

/// An option's accepted values and its default, in words.
std::string accepted_words(WorkloadOption const& option) {
    using enum WorkloadOption::Kind;
    if (auto accepted = accepted_text(option); !accepted.empty()) return accepted;
    switch (option.kind) {
        case file:
            return "a file";
        case bytes:
            return "bytes: 64 GiB";
        case duration:
            return "a time: 300 s";
        default:
            return "text";
    }
}
std::string default_words(WorkloadOption const& option) {
    if (option.by_default.is_null()) return "must be given";
    auto const given = default_text(option);
    if (given.empty()) return "none";
    return option.kind == WorkloadOption::Kind::duration ? given + " s" : given;
}

}  // namespace

void print_stage(std::ostream& out, std::string const& name, Screen const& screen) {
    auto const stages = registered_stages();
    auto const* const stage = find_summary(stages, name);
    auto const& entry = stage_named(name);  // throws where there is none
    if (stage == nullptr) return print_stage(out, entry.info.name, screen);
    print_heading(out, versioned_name(entry.info), stage->summary, screen);
    auto fields = std::vector<std::pair<std::string, std::string>>{
        {"kind", stage->kind}, {"source", stage->source}, {"access", stage->access}, {"example", stage->example}};
    if (!stage->needs.empty()) fields.emplace_back("serving", stage->needs);
    if (entry.info.shorthand) fields.emplace_back("short for", entry.info.shorthand->stage);
    print_fields(out, fields, screen);
    print_options(out, entry.info.options, screen);
    auto const page = stage_page(entry.info.shorthand ? entry.info.shorthand->stage : name);
    if (page.empty()) return;
    print_title(out, "Format", screen);
    print_page(out, page, screen);
}

void print_codec(std::ostream& out, std::string const& name, Screen const& screen) {
    auto const* const preset = find_preset(name.substr(0, name.find(':')));
    if (preset != nullptr && (name == preset->name || name == preset->usage())) {
        print_heading(out, std::string(preset->name), std::string(preset->summary), screen);
        print_fields(out,
                     {{"source", std::string(preset->source)},
                      {"usage", preset->usage()},
                      {"stands for", std::string(preset->text)}},
                     screen);
        print_options(out, preset->options, screen);
        if (preset->needs_bases())
            out << '\n' << wrapped("The codec needs a file that `kvstone calibrate` makes.", screen.columns) << '\n';
        else
            print_engines(out, Codec::parse(preset->usage()), screen);
        return;
    }
    auto const codec = Codec::parse(name);
    out << screen.bold(wrapped(codec.text(), screen.columns, 2)) << '\n';
    std::vector<std::pair<std::string, std::string>> fields;
    if (auto const needs = text_of(needs_of(codec)); !needs.empty()) fields.emplace_back("serving", needs);
    if (auto const stage = whole_tensor_stage(codec)) fields.emplace_back("whole tensors", "stage " + stage->name);
    if (!fields.empty()) {
        out << '\n';
        print_fields(out, fields, screen);
    }
    print_engines(out, codec, screen);
}

void print_metric(std::ostream& out, std::string const& name, Screen const& screen) {
    auto const* const metric = find_metric(name);
    if (metric == nullptr) throw ConfigError("no metric has this name; `kvstone list metrics` has them all", name);
    print_heading(out, name, std::string(metric->formula), screen);
    print_fields(
        out,
        {{"unit", std::string(metric->unit)},
         {"better", better_text(*metric)},
         {"deterministic", metric->deterministic ? "yes: equal to the last digit wherever it is measured" : "no"},
         {"K and V together", std::string(how_made(metric->both))}},
        screen);
}

void print_workload(std::ostream& out, std::string const& name, Screen const& screen) {
    auto const& workload = workload_named(name);
    print_heading(out, name, workload.summary, screen);
    if (workload.options.empty()) {
        out << "The workload has no options.\n";
        return;
    }
    auto table = options_table();
    for (auto const& option : workload.options)
        table.add({option.name, accepted_words(option), default_words(option), option.summary});
    table.print(out, screen);
}

}  // namespace kvstone
