#include "results/query/export.hpp"

#include <ostream>

#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"

namespace kvstone {

void add_export(CommandLine& line) {
    struct Options {
        std::string format = "csv";
        std::string output;
        std::string campaign;
    };
    auto options = std::make_shared<Options>();
    auto* command =
        line.verb("export", "Write a campaign's results for other tools",
                  {"kvstone export --format csv -o figures.csv", "kvstone export --format junit -o results.xml"});
    command
        ->add_option(
            "--format", options->format,
            "csv, jsonl, google-benchmark (for its compare.py), junit, or datasette (its metadata for the database)")
        ->capture_default_str();
    command->add_option("-o,--output", options->output,
                        "The file to write. Without this option, or with -: standard output");
    command->add_option(
        "--campaign", options->campaign,
        "The campaign, by its id, the first digits of it, or its night. Without this option: the last one");
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const format = line.json ? ExportFormat::jsonl : export_format_named(options->format);
            auto const store = Store::open_read_only(line.database);
            write_output(options->output,
                         [&](std::ostream& out) { export_campaign(store, out, format, options->campaign); });
            return exit_pass;
        };
    });
}

}  // namespace kvstone
