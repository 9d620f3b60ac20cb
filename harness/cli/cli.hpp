#pragma once
// The command line: one file per verb, each of which adds its verb to the application.

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "harness/cli/exit_code.hpp"
#include "harness/cli/terminal.hpp"
#include "results/record/locking.hpp"

namespace kvstone {

/// The program without its `main`, so that test programs can link it with stages of their own.
int kvstone_main(int argc, char** argv);

/// Options that every verb takes, and the action of the chosen verb.
struct CommandLine {
    CLI::App app{"Benchmark and evaluation harness for LLM KV-cache compression codecs", "kvstone"};
    std::string database = "kvstone.db";
    bool json = false;
    Locking locking = Locking::file;   ///< of the database, where the verb writes it
    std::function<ExitCode()> action;  ///< set by the verb that was chosen

    /// A verb with its `--db`, `--json` and help, which ends with the examples; the caller adds the rest and a callback that
    /// sets `action`.
    CLI::App* verb(std::string const& name, std::string const& description, std::vector<std::string> const& examples);
    /// `--lock file|none` of a verb that writes the database.
    void add_lock(CLI::App& command);
};

void add_run(CommandLine& line);
/// As `kvstone run SCENARIO...`.
ExitCode run_scenarios(CommandLine const& line, std::vector<std::string> scenarios);
void add_score(CommandLine& line);
void add_plan(CommandLine& line);
void add_list(CommandLine& line);
void add_show(CommandLine& line);
void add_query(CommandLine& line);
void add_compare(CommandLine& line);
void add_gate(CommandLine& line);
void add_bisect(CommandLine& line);
void add_explain(CommandLine& line);
void add_choose(CommandLine& line);
void add_size(CommandLine& line);
void add_dump(CommandLine& line);
void add_calibrate(CommandLine& line);
void add_inspect(CommandLine& line);
void add_attempt(CommandLine& line);
void add_doctor(CommandLine& line);
void add_prune(CommandLine& line);
void add_report(CommandLine& line);
void add_export(CommandLine& line);
void add_bundle(CommandLine& line);
void add_db(CommandLine& line);
void add_check_codec(CommandLine& line);
void add_completions(CommandLine& line);
void add_manual(CommandLine& line);

/// The end of a help: commands, a line each.
std::string examples_text(std::vector<std::string> const& examples);

/// Returns what the action returns; prints an exception on standard error and returns its exit code.
ExitCode told(std::function<ExitCode()> const& action);

}  // namespace kvstone
