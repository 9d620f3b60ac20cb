#include "results/report/report.hpp"

#include <filesystem>
#include <sstream>

#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "results/query/show_text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct Arguments {
    std::string output;
    std::string format;
    std::string campaign;
};

/// The format that was asked for, else that of the file's name.
std::string format_of(Arguments const& arguments) {
    if (!arguments.format.empty()) return arguments.format;
    return std::filesystem::path(arguments.output).extension() == ".html" ? "html" : "md";
}

ExitCode report(CommandLine const& line, Arguments const& arguments) {
    auto const format = format_of(arguments);
    auto const store = Store::open_read_only(line.database);
    ReportOptions options{.name = std::filesystem::path(line.database).filename().string()};
    auto const meant = campaign_meant(store, arguments.campaign);
    if (!arguments.campaign.empty()) options.campaign = meant;
    std::ostringstream text;
    (format == "html" ? write_html_report : write_markdown_report)(store, text, options);
    write_output(arguments.output, text.str());
    return exit_pass;
}

}  // namespace

void add_report(CommandLine& line) {
    auto arguments = std::make_shared<Arguments>();
    auto* command = line.verb("report", "Write a page about the database: HTML that works offline, or Markdown",
                              {"kvstone report -o report.html", "kvstone report --format md"});
    command->add_option("-o,--output", arguments->output,
                        "The file to write. Without this option, or with -: standard output");
    command
        ->add_option("--format", arguments->format,
                     "html or md. Without this option: by the ending of the file's name, else md")
        ->check(CLI::IsMember({"html", "md"}));
    command->add_option("--campaign", arguments->campaign,
                        "Only this campaign, by its id, the first digits of it, or its night. Without this option: "
                        "all; of Markdown the last one");
    command->callback([&line, arguments] { line.action = [&line, arguments] { return report(line, *arguments); }; });
}

}  // namespace kvstone
