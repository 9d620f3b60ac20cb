// `kvstone inspect`: facts about the tensors of a source, before they are compressed.

#include "harness/inspection/inspect.hpp"

#include <iostream>

#include "harness/cli/cli.hpp"
#include "harness/cli/source_options.hpp"
#include "harness/inspection/inspection_page.hpp"

namespace kvstone {

void add_inspect(CommandLine& line) {
    struct Options : SourceOptions {
        bool markdown = false;
    };
    auto options = std::make_shared<Options>();
    auto* command =
        line.verb("inspect", "Describe K and V of sources: type, layout, distribution, outlier channels, sinks, RoPE",
                  {"kvstone inspect cache.safetensors",
                   "kvstone inspect 'model: {gguf: tiny, text: builtin}' --context 512 --markdown"});
    options->add_to(*command);
    command->add_flag("--markdown", options->markdown, "A page that sets the sources side by side");
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const cells = options->cells();
            bool const several = cells.size() > 1;
            std::vector<std::pair<std::string, Json>> inspections;
            for (auto const& cell : cells) {
                auto report = inspect(options->load(cell, {.k = true, .v = true, .k_prerope = true, .q = true}));
                if (options->markdown || line.json)
                    inspections.emplace_back(cell.source_name, std::move(report));
                else
                    std::cout << (several ? "== " + cell.source_name + "\n" : "")
                              << inspection_text(report, standard_output());
            }
            if (options->markdown) {
                std::cout << inspection_page(inspections);
            } else if (line.json) {
                auto reports = Json::array();
                for (auto& [name, report] : inspections) reports.push_back({{"source", name}, {"inspection", report}});
                std::cout << (several ? reports : reports[0]["inspection"]).dump(2) << '\n';
            }
            return exit_pass;
        };
    });
}

}  // namespace kvstone
