// `kvstone inspect`: what the tensors of a source are like, before anything compresses them.

#include "harness/inspect.hpp"

#include <iostream>

#include "harness/cli/cli.hpp"
#include "harness/cli/source_options.hpp"

namespace kvstone {

void add_inspect(CommandLine& line) {
    auto options = std::make_shared<SourceOptions>();
    auto* command =
        line.verb("inspect", "Describe K and V of a source: type, layout, distribution, outlier channels, RoPE");
    options->add_to(*command);
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const report = inspect(options->load({.k = true, .v = true, .k_prerope = true, .q = true}));
            std::cout << (line.json ? report.dump(2) + "\n" : inspection_text(report));
            return exit_pass;
        };
    });
}

}  // namespace kvstone
