// `kvstone dump`: the tensors of a source as one safetensors file.

#include "harness/sources/dump.hpp"

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "harness/cli/source_options.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

void add_dump(CommandLine& line) {
    struct Options : SourceOptions {
        std::string output;
    };
    auto options = std::make_shared<Options>();
    auto* command =
        line.verb("dump", "Write K and V (and K before RoPE, and Q, where the source has them) as safetensors",
                  {"kvstone dump 'model: {gguf: tiny, text: builtin}' --context 512 -o tiny.safetensors",
                   "kvstone dump cache.pt -o cache.safetensors"});
    options->add_to(*command);
    command->add_option("-o,--output", options->output, "The file to write")->required();
    command->callback([&line, options] {
        line.action = [&line, options] {
            auto const cells = options->cells();
            if (cells.size() != 1) {
                std::vector<std::string> names;
                for (auto const& cell : cells) names.push_back(cell.source_name);
                throw ConfigError("one source makes a dump", fmt::format("{} sources", cells.size()), names);
            }
            check_output(options->output);
            auto const tensors = options->load(cells[0], {.k = true, .v = true, .k_prerope = true, .q = true});
            write_to_output(options->output, [&] { write_dump(options->output, tensors); });
            Json written = Json::object();
            for (auto const& [name, tensor] :
                 {std::pair{"k", &tensors.k}, {"v", &tensors.v}, {"k_prerope", &tensors.k_prerope}, {"q", &tensors.q}})
                if (*tensor) {
                    auto const& shape = (*tensor)->shape;
                    written[name] = {{"type", name_of((*tensor)->type)},
                                     {"shape", {shape.layers, shape.heads, shape.tokens, shape.dim}}};
                }
            if (line.json)
                fmt::print("{}\n", Json{{"path", options->output}, {"tensors", written}}.dump(2));
            else
                for (auto const& [name, facts] : written.items())
                    fmt::print("{:10} {} {}\n", name, facts["type"].get<std::string>(), facts["shape"].dump());
            return exit_pass;
        };
    });
}

}  // namespace kvstone
