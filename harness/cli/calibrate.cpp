// `kvstone calibrate`: bases of a model's K and V over a text, for `lowrank:basis=pca`.

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "codecs/kernels/fit_tensor.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "harness/cli/source_options.hpp"
#include "harness/files/calibration_file.hpp"
#include "harness/sources/stack_queries.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct CalibrateOptions : SourceOptions {
    std::string text;
    std::string output;
    std::string over = "head";
    std::uint64_t layers = 4;
    std::uint64_t heads = 0;
    std::string mean = "no";
    std::string queries = "no";
};

/// The share of its variance that a tensor has in its first components, the worst group's.
double least_kept(TensorBases const& bases, double share) {
    auto const n = bases.shape.dim;
    auto const rank = static_cast<std::size_t>(share * static_cast<double>(n));
    double least = 1;
    for (std::size_t group = 0; group < bases.variance.size(); group += n) {
        double kept = 0;
        double all = 0;
        for (std::size_t i = 0; i < n; ++i) {
            all += static_cast<double>(bases.variance[group + i]);
            if (i < rank) kept += static_cast<double>(bases.variance[group + i]);
        }
        if (all > 0) least = std::min(least, kept / all);
    }
    return least;
}

ExitCode calibrate(CalibrateOptions options, bool json) {
    if (!options.text.empty()) {
        // A model by name or file, as `model:` has it.
        for (auto& source : options.sources)
            source = fmt::format("model: {{gguf: {}, text: {}}}", Json(source).dump(), Json(options.text).dump());
    }
    auto const cells = options.cells();
    if (cells.size() != 1) throw ConfigError("bases are made of one source", fmt::format("{} sources", cells.size()));
    if (options.heads > 0 && options.over != "heads")
        throw ConfigError("--heads goes with --over heads", std::to_string(options.heads), {"--over heads"});
    bool const queries = options.queries == "yes";
    if (queries && options.over != "head")
        throw ConfigError("--queries goes with --over head: each query is multiplied with the K of one head",
                          options.over, {"head"});
    check_output(options.output);
    BackendRuntime const runtime;
    auto loaded = options.load(cells[0], {.k = true, .v = true, .k_prerope = true, .q = queries});
    Calibration calibration;
    calibration.groups = {options.over, options.over == "layers" ? options.layers : 1, options.mean == "yes",
                          options.heads};
    calibration.queries = queries;
    if (loaded.k) calibration.shape = loaded.k->shape;
    if (queries) add_queries(loaded);
    for (auto const& [name, tensor] : {std::pair{"k", &loaded.k}, {"k_prerope", &loaded.k_prerope}, {"v", &loaded.v}}) {
        if (!*tensor) continue;
        if (!loaded.k) calibration.shape = (*tensor)->shape;
        KvView const view{const_cast<std::byte*>((*tensor)->bytes.get()), (*tensor)->type, (*tensor)->shape,
                          KvStrides::packed((*tensor)->shape)};
        calibration.tensors[name] = fit_tensor(view, calibration.groups);
    }
    write_to_output(options.output, [&] { write_calibration(options.output, calibration, cells[0].source); });
    auto const codec = fmt::format(
        "lowrank:rank=0.875,basis=pca{}{}{}{},bases={}", options.over == "head" ? "" : ",over=" + options.over,
        options.over == "layers" && options.layers != 4 ? fmt::format(",layers={}", options.layers) : "",
        options.heads > 0 ? fmt::format(",heads={}", options.heads) : "", options.mean == "yes" ? ",mean=yes" : "",
        options.output);
    auto tensors = Json::object();
    for (auto const& [name, bases] : calibration.tensors)
        tensors[name] = {
            {"groups", bases.shape.layers * bases.shape.heads},
            {"values", bases.shape.dim},
            {"least_variance_kept", {{"0.75", least_kept(bases, 0.75)}, {"0.875", least_kept(bases, 0.875)}}}};
    if (json) {
        fmt::print("{}\n", Json{{"path", options.output},
                                {"sha256", content_hash(options.output)},
                                {"tokens", calibration.shape.tokens},
                                {"codec", codec},
                                {"tensors", tensors}}
                               .dump(2));
        return exit_pass;
    }
    for (auto const& [name, facts] : tensors.items())
        print_words(fmt::format(
            "{:10} {} groups of {} values; 3 of 4 components hold at least {:.2f}% of the {}, 7 of 8 hold {:.2f}%",
            name, facts["groups"].get<std::uint64_t>(), facts["values"].get<std::uint64_t>(),
            100 * facts["least_variance_kept"]["0.75"].get<double>(), options.mean == "yes" ? "variance" : "energy",
            100 * facts["least_variance_kept"]["0.875"].get<double>()));
    print_words(
        fmt::format("{}: bases of {} tokens. A codec with these bases:", options.output, calibration.shape.tokens));
    fmt::print("  {} | fp16\n", codec);
    return exit_pass;
}

}  // namespace

void add_calibrate(CommandLine& line) {
    auto options = std::make_shared<CalibrateOptions>();
    auto* command =
        line.verb("calibrate", "Fit bases for lowrank:basis=pca to K (after and before RoPE) and V of a source",
                  {"kvstone calibrate tiny --text other.txt -o bases.safetensors",
                   "kvstone calibrate cache.safetensors --over heads -o bases.safetensors"});
    options->add_to(*command);
    command->add_option("--text", options->text,
                        "The source is a model (a GGUF file, tiny, smollm2) that reads this text");
    command->add_option("-o,--out", options->output, "The file to write (safetensors)")->required();
    command
        ->add_option("--over", options->over,
                     "Vectors that are joined into one: of a head, of all heads, of several layers")
        ->check(CLI::IsMember({"head", "heads", "layers"}))
        ->capture_default_str();
    command->add_option("--layers", options->layers, "With --over layers: number of layers")
        ->check(CLI::Range(2, 1024))
        ->capture_default_str();
    command->add_option("--heads", options->heads, "With --over heads: number of heads; 0: all heads of a layer")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    command->add_option("--queries", options->queries, "yes: fit the bases of K to K and the queries")
        ->check(CLI::IsMember({"yes", "no"}))
        ->capture_default_str();
    command->add_option("--mean", options->mean, "yes: subtract the mean first, and store it in the file")
        ->check(CLI::IsMember({"yes", "no"}))
        ->capture_default_str();
    command->callback([&line, options] { line.action = [&line, options] { return calibrate(*options, line.json); }; });
}

}  // namespace kvstone
