#include "harness/cli/cli.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>

#include <fmt/format.h>

#include "cluster/world.hpp"
#include "harness/cli/help_formatter.hpp"
#include "harness/cli/progress.hpp"
#include "harness/files/calibration_file.hpp"
#include "results/record/build.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/own_program.hpp"

namespace kvstone {
namespace {

ExitCode complain(ExitCode code, std::string const& text) {
    say("kvstone: " + text);
    std::fflush(stderr);
    return code;
}

}  // namespace

ExitCode told(std::function<ExitCode()> const& action) {
    try {
        return action();
    } catch (ConfigError const& error) {
        return complain(exit_bad_input, error.what());
    } catch (CorruptData const& error) {
        return complain(exit_bad_input, error.what());
    } catch (std::exception const& error) {
        return complain(exit_failed_cells, error.what());
    }
}

std::string examples_text(std::vector<std::string> const& examples) {
    std::string text = "Examples:";
    for (auto const& example : examples) text += "\n  " + example;
    return text;
}

CLI::App* CommandLine::verb(std::string const& name, std::string const& description,
                            std::vector<std::string> const& examples) {
    auto* command = app.add_subcommand(name, description);
    command->footer(examples_text(examples));
    command->add_option("--db", database, "The database file")->envname("KVSTONE_DB")->capture_default_str();
    command->add_flag("--json", json, "Print JSON");
    return command;
}

void CommandLine::add_lock(CLI::App& command) {
    static std::map<std::string, Locking> const names{{"file", Locking::file}, {"none", Locking::none}};
    command
        .add_option("--lock", locking,
                    "file; or none, on a file system without locks: then no other program may write at the same time")
        ->transform(CLI::CheckedTransformer(names).description("{file,none}"));
}

namespace {

/// An option of verbs that take words, too, has one value each time that it is written: a second one would be the next word, such
/// as the scenario. Those that may stand without a value take the rest of the line.
void take_one_value_each(CLI::App& app) {
    auto const options = app.get_options();
    if (std::ranges::any_of(options, &CLI::Option::get_positional))
        for (auto* option : options)
            if (!option->get_positional() && option->get_expected_min() == 1) option->allow_extra_args(false);
    for (auto* verb : app.get_subcommands(std::function<bool(CLI::App*)>())) take_one_value_each(*verb);
}

/// Values that no option takes: an empty one, as a variable of a shell that is not set gives, which would count as 0 or as no option at
/// all; and NaN, which every bound lets through.
void check_values(CLI::App const& app) {
    for (auto const* option : app.get_options()) {
        if (option->count() == 0 || option->get_expected_min() == 0) continue;
        for (auto const& value : option->results()) {
            if (value.empty()) throw ConfigError(option->get_name() + ": the value is empty");
            if (option->get_type_name().starts_with("FLOAT") && std::isnan(std::strtod(value.c_str(), nullptr)))
                throw ConfigError(option->get_name() + ": expected a number", value);
        }
    }
    for (auto const* verb : app.get_subcommands()) check_values(*verb);
}

ExitCode parse_and_act(int argc, char** argv) {
    CommandLine line;
    line.app.formatter(std::make_shared<HelpFormatter>(standard_output().columns));  // verbs take it over
    line.app.set_version_flag("--version", [] {
        return fmt::format("kvstone {} ({}, sources {})\n{}", this_build().version, this_build().git_sha,
                           this_build().source_hash, own_origin());
    });
    line.app.require_subcommand(1);
    line.app.footer(
        "Exit codes: 0 pass, 1 regression, 2 usage or bad input, 3 inconclusive, 4 infrastructure or failed cells, 5 "
        "missing cells, 130 interrupted.\n\n" +
        examples_text({"kvstone run quickstart", "kvstone show"}));
    for (auto* add : {add_run,    add_plan,        add_list,        add_show,      add_query,   add_compare, add_gate,
                      add_bisect, add_explain,     add_choose,      add_size,      add_report,  add_export,  add_bundle,
                      add_dump,   add_score,       add_inspect,     add_calibrate, add_attempt, add_doctor,  add_prune,
                      add_db,     add_check_codec, add_completions, add_manual})
        add(line);
    take_one_value_each(line.app);
    try {
        line.app.parse(argc, argv);
    } catch (CLI::ParseError const& error) {
        return line.app.exit(error) == 0 ? exit_pass : exit_bad_input;
    }
    return told([&line] {
        check_values(line.app);
        return line.action();
    });
}

}  // namespace

int kvstone_main(int argc, char** argv) {
    auto const started = std::chrono::steady_clock::now();
    set_calibration_reader(read_calibration_file);
    auto const code = parse_and_act(argc, argv);
    if (code != exit_pass) outlast_launch(started);
    return code;
}

}  // namespace kvstone
