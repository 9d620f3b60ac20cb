// `kvstone inspect`: what the tensors of a source are like, before anything compresses them.

#include "harness/inspection/inspect.hpp"

#include <iostream>

#include "harness/cli/cli.hpp"
#include "harness/cli/source_options.hpp"

namespace kvstone {

void add_inspect(CommandLine& line) {
    auto options = std::make_shared<SourceOptions>();
    auto* command =
        line.verb("inspect", "Describe K and V of sources: type, layout, distribution, outlier channels, RoPE");
    options->add_to(*command);
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const cells = options->cells();
            Json reports = Json::array();
            for (auto const& cell : cells) {
                auto report = inspect(options->load(cell, {.k = true, .v = true, .k_prerope = true, .q = true}));
                if (line.json && cells.size() > 1)
                    reports.push_back({{"source", cell.source_name}, {"inspection", std::move(report)}});
                else if (line.json)
                    reports = std::move(report);
                else
                    std::cout << (cells.size() > 1 ? "== " + cell.source_name + "\n" : "") << inspection_text(report);
            }
            if (line.json) std::cout << reports.dump(2) << '\n';
            return exit_pass;
        };
    });
}

}  // namespace kvstone
