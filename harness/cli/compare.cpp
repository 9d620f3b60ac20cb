// `kvstone compare`: two campaigns side by side.

#include "results/verdict/compare.hpp"

#include <iostream>

#include "harness/cli/cli.hpp"

namespace kvstone {

void add_compare(CommandLine& line) {
    struct Options {
        std::string base, head, format = "table";
        std::vector<std::string> metrics;
        CompareOptions compare;
        bool everything = false;
    };
    auto options = std::make_shared<Options>();
    auto* command = line.verb("compare", "Compare two campaigns figure by figure, and judge the differences",
                              {"kvstone compare quickstart", "kvstone compare last-night.db kvstone.db --format md"});
    command
        ->add_option(
            "base", options->base,
            "latest, a scenario's, night's or baseline's name, the first digits of a campaign's id or of a commit, a "
            "database FILE, or FILE:ANY_OF_THESE")
        ->required();
    command->add_option(
        "head", options->head,
        "The same (default: the latest campaign of the base's scenario; of a scenario's name as the base "
        "the last two are compared)");
    command->add_option("--metric", options->metrics, "Only this metric; repeated: only these")->delimiter(',');
    command
        ->add_option("--accuracy-margin", options->compare.accuracy_margin, "The loss of accuracy that does not count")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 0.999));
    command->add_flag("--across-toolchains", options->compare.across_toolchains,
                      "Judge differences although the two sides have different toolchains");
    command->add_flag("--all", options->everything,
                      "Print also figures that are equal, and timings within their noise");
    command->add_option("--format", options->format, "table, csv, jsonl, json or md")->capture_default_str();
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const format = line.json ? TableFormat::json : table_format_named(options->format);
            for (auto const& metric : options->metrics)
                if (find_metric(metric) == nullptr)
                    throw ConfigError("no metric has this name; `kvstone list metrics` has them all", metric);
            auto [base, head] = read_sides(line.database, options->base, options->head, options->metrics);
            expect_two_campaigns(base, head);
            auto const comparison =
                compare_sides(std::move(base), std::move(head), options->compare, options->everything);
            if (format == TableFormat::json)
                std::cout << to_json(*comparison).dump(2) << '\n';
            else if (format == TableFormat::csv || format == TableFormat::jsonl)
                print(std::cout, rows_of(*comparison, false), format);
            else
                print_comparison(std::cout, *comparison, format, standard_output());
            return exit_code_of(comparison->verdict);
        };
    });
}

}  // namespace kvstone
