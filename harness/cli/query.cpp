#include "results/query/query.hpp"

#include <iostream>

#include "harness/cli/cli.hpp"

namespace kvstone {

void add_query(CommandLine& line) {
    struct Options {
        std::string sql;
        std::string format = "table";
        double time_limit_s = 60;
    };
    auto options = std::make_shared<Options>();
    auto* command =
        line.verb("query", "Ask the database one reading SQL statement, or a stored one by its @NAME",
                  {"kvstone query @best", "kvstone query \"SELECT codec, value FROM v_latest\" --format csv"});
    command->add_option("sql", options->sql, "SQL, or @NAME of a stored statement; @list names all of these")
        ->required();
    command->add_option("--format", options->format, "table, csv, json, jsonl or md")->capture_default_str();
    command->add_option("--time-limit", options->time_limit_s, "Seconds before the query is stopped")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const format = line.json ? TableFormat::json : table_format_named(options->format);
            auto const store = Store::open_read_only(line.database);
            print(std::cout, query(store, options->sql, {}, options->time_limit_s), format, standard_output());
            return exit_pass;
        };
    });
}

}  // namespace kvstone
