#include "harness/cli/source_options.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "harness/cli/vocabulary.hpp"

namespace kvstone {

void SourceOptions::add_to(CLI::App& command) {
    command
        .add_option("source", source,
                    "A dump file, or a source as scenarios have it: 'model: {gguf: tiny, text: builtin}'")
        ->required();
    command.add_option("--context", context, "The first N tokens; 0: as many as the source has")->capture_default_str();
}

KvTensors SourceOptions::load(Needs needs) const {
    auto const entry =
        std::filesystem::is_regular_file(source) ? fmt::format("dump: {{path: {}}}", Json(source).dump()) : source;
    // A scenario of one cell says what the source is, in the same words and with the same errors.
    auto const plan = parse_plan(fmt::format("kvstone: 1\n"
                                             "name: source\n"
                                             "grid: {{codec: [raw], context: [{}]}}\n"
                                             "workloads: [roundtrip]\n"
                                             "sources:\n"
                                             "  - {}\n",
                                             context == 0 ? "all" : std::to_string(context), entry),
                                 "source", std::filesystem::current_path().string(), vocabulary());
    auto const& cell = plan.cells.at(0);
    return load_tensors(cell.source, cell.locator, context, needs);
}

}  // namespace kvstone
