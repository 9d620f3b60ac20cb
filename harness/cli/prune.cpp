// `kvstone prune captures`: removes captures of models that are not in use.

#include <iostream>
#include <optional>

#include <fmt/format.h>

#include "harness/captures/capture_folder.hpp"
#include "harness/cli/cli.hpp"
#include "scenarios/cell.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct PruneOptions {
    std::optional<std::uint64_t> max_bytes;
    bool dry_run = false;
};

Json to_json(std::vector<CaptureFile> const& files) {
    auto all = Json::array();
    for (auto const& file : files) all.push_back({{"path", file.path}, {"bytes", file.bytes}});
    return all;
}

ExitCode prune(CommandLine const& line, PruneOptions const& options) {
    auto const folder = capture_folder();
    if (folder.empty()) throw ConfigError("there is no folder of captures: neither XDG_CACHE_HOME nor HOME is set");
    auto const limit = options.max_bytes.value_or(capture_limit_bytes());
    auto const report = prune_captures(folder, limit, options.dry_run);
    if (line.json) {
        std::cout << Json{{"folder", folder},
                          {"limit_bytes", limit},
                          {"dry_run", options.dry_run},
                          {"removed", to_json(report.removed)},
                          {"in_use", to_json(report.in_use)},
                          {"kept_bytes", report.kept_bytes}}
                         .dump(2)
                  << '\n';
        return exit_pass;
    }
    for (auto const& file : report.removed)
        fmt::print("{} {} ({} bytes)\n", options.dry_run ? "would remove" : "removed", file.path, file.bytes);
    for (auto const& file : report.in_use) fmt::print("in use {} ({} bytes)\n", file.path, file.bytes);
    fmt::print("{}: {} bytes of at most {}\n", folder, report.kept_bytes, limit);
    return exit_pass;
}

}  // namespace

void add_prune(CommandLine& line) {
    auto* command = line.app.add_subcommand("prune", "Remove files that were kept to save time and that no run uses");
    command->require_subcommand(1);
    command->footer(
        examples_text({"kvstone prune captures --dry-run", "kvstone prune captures --max-bytes 1000000000"}));
    auto options = std::make_shared<PruneOptions>();
    auto* captures = command->add_subcommand(
        "captures", "K, V, Q, logits and states of models; the least recently used go first, until the limit holds");
    captures->add_option("--max-bytes", options->max_bytes,
                         "Limit of all captures, in bytes (default: $KVSTONE_CAPTURES_BYTES, or 20 GiB)");
    captures->add_flag("--dry-run", options->dry_run, "Only name the files that would be removed");
    captures->add_flag("--json", line.json, "Print JSON");
    captures->callback([&line, options] { line.action = [&line, options] { return prune(line, *options); }; });
}

}  // namespace kvstone
