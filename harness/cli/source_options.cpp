#include "harness/cli/source_options.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/planning/vocabulary.hpp"

namespace kvstone {
namespace {

constexpr std::string_view source_kinds[] = {"model:", "dump:", "synthetic:", "name:", "{"};

/// Whether an argument is written as scenarios have sources, and names no file.
bool is_source_text(std::string const& argument) {
    return std::ranges::any_of(source_kinds, [&](auto kind) { return argument.starts_with(kind); }) &&
           !std::filesystem::exists(argument);
}

/// The error without its place in a generated scenario.
ConfigError told_of_argument(ConfigError const& error) {
    auto message = error.message();
    for (std::string_view const path : {"sources.0.dump.path: ", "sources.0."})
        if (message.starts_with(path)) {
            message.erase(0, path.size());
            break;
        }
    auto accepted = error.accepted();
    if (message == "no such file" || message == "no file matches")
        accepted = {"a dump (.safetensors, .npy, .npz, .pt, or a raw file with a sidecar)",
                    "model: {gguf: FILE, text: FILE}", "synthetic: {shape: NAME}"};
    return ConfigError(message, error.offending(), std::move(accepted));
}

}  // namespace

void SourceOptions::add_to(CLI::App& command) {
    command
        .add_option(
            "source", sources,
            "Dump files, patterns of them, or sources as scenarios have them: 'model: {gguf: tiny, text: builtin}'")
        ->required();
    command.add_option("--context", context, "The first N tokens; 0: as many as the source has")->capture_default_str();
}

std::vector<Cell> SourceOptions::cells() const {
    std::vector<Cell> all;
    for (auto const& source : sources) {
        auto const entry = is_source_text(source) ? source : fmt::format("dump: {{path: {}}}", Json(source).dump());
        // A scenario with this source alone identifies it, in the same words and with the same errors.
        auto const yaml = fmt::format(
            "kvstone: 1\n"
            "name: source\n"
            "grid: {{codec: [raw], context: [{}]}}\n"
            "workloads: [roundtrip]\n"
            "sources:\n"
            "  - {}\n",
            context == 0 ? "all" : std::to_string(context), entry);
        try {
            for (auto& cell : parse_plan(yaml, "source", std::filesystem::current_path().string(), vocabulary()).cells)
                all.push_back(std::move(cell));
        } catch (ConfigError const& error) {
            throw error.place().file == "source" ? told_of_argument(error) : error;
        }
    }
    return all;
}

KvTensors SourceOptions::load(Cell const& cell, Needs needs) const {
    return load_tensors(cell.source, cell.locator, context, needs);
}

}  // namespace kvstone
