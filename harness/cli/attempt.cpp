// `kvstone attempt`: one cell of a scenario, alone, nothing stored.

#include "harness/attempts/attempt.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/attempt_process.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/scenario_options.hpp"
#include "results/query/query.hpp"

namespace kvstone {
namespace {

struct AttemptOptions : ScenarioOptions {
    std::string cell;
    std::vector<std::string> debugger;
    double slow_down = 1;
};

AttemptRequest request_for(AttemptOptions const& options) {
    std::vector<std::string> ids;
    std::vector<AttemptRequest> found;
    for (auto const& plan : options.load())
        for (auto const& cell : plan.cells) {
            ids.push_back(cell.id);
            if (cell.id.starts_with(options.cell)) found.push_back({cell, plan.measure, std::string(32, '0'), 0});
        }
    if (found.empty()) throw ConfigError("the scenario has no cell with this id", options.cell, ids);
    if (found.size() > 1)
        throw ConfigError("several cells of the scenario have ids that start with this", options.cell);
    return found.front();
}

/// Becomes `DEBUGGER... kvstone-attempt` with the request on standard input: the attempt then prints its Measurement.
[[noreturn]] void replace_process(AttemptRequest const& request, std::vector<std::string> debugger) {
    std::FILE* const input = std::tmpfile();
    if (input == nullptr) throw SystemError("cannot make a temporary file", errno);
    auto const text = to_json(request).dump();
    if (std::fwrite(text.data(), 1, text.size(), input) != text.size() || std::fflush(input) != 0)
        throw SystemError("cannot write a temporary file", errno);
    std::rewind(input);
    if (dup2(fileno(input), STDIN_FILENO) < 0) throw SystemError("cannot redirect standard input", errno);
    debugger.push_back(attempt_program());
    std::vector<char*> arguments;
    for (auto& word : debugger) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    throw SystemError("cannot start " + debugger[0], errno);
}

void print_figures(Measurement const& measurement) {
    QueryResult table{{"component", "metric", "value", "ci_low", "ci_high", "n"}, {}};
    auto const cell = [](std::optional<double> const& value) {
        return value ? QueryValue(*value) : QueryValue(nullptr);
    };
    for (auto const& figure : measurement.figures)
        table.rows.push_back({figure.component, figure.metric, cell(figure.value), cell(figure.ci_low),
                              cell(figure.ci_high), static_cast<std::int64_t>(figure.n)});
    print(std::cout, table, TableFormat::table, standard_output());
    print_words(
        fmt::format("{}{}{}", name_of(measurement.status), measurement.reason.empty() ? "" : ": ", measurement.reason));
    if (measurement.status != Status::ok && !measurement.stderr_tail.empty())
        fmt::print("standard error:\n{}\n", measurement.stderr_tail);
}

}  // namespace

void add_attempt(CommandLine& line) {
    auto options = std::make_shared<AttemptOptions>();
    auto* command =
        line.verb("attempt", "Measure one cell of a scenario alone, in a process of its own; stores nothing",
                  {"kvstone attempt 3f2c quickstart", "kvstone attempt 3f2c quickstart --debugger gdb --args"});
    command->add_option("cell", options->cell, "The cell, by its id or the first digits of it (see `kvstone plan`)")
        ->required();
    options->add_to(*command);
    command
        ->add_option("--debugger", options->debugger,
                     "Start the attempt's program under this command: --debugger gdb --args")
        ->expected(0, -1);
    command
        ->add_option("--slow-down", options->slow_down,
                     "Make every timed pass take this many times as long, by waiting: a test of a gate's sensitivity")
        ->check(CLI::Range(1.0, 100.0));
    command->callback([&line, options, command] {
        line.action = [&line, options, command] {
            if (options->slow_down > 1) setenv(slow_down_variable, std::to_string(options->slow_down).c_str(), 1);
            auto const request = request_for(*options);
            if (command->count("--debugger") > 0) replace_process(request, options->debugger);
            Spawner spawner;
            auto const measurement = run_attempt(spawner, request);
            if (line.json)
                std::cout << to_json(measurement).dump(2) << '\n';
            else
                print_figures(measurement);
            return measurement.status == Status::ok ? exit_pass : exit_failed_cells;
        };
    });
}

}  // namespace kvstone
