// `kvstone score`: a codec that ran elsewhere, by its decoded values and the number of its bytes.

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/cli.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct ScoreOptions {
    std::string original;
    std::string decoded;
    std::uint64_t bytes = 0;
    std::string name = "scored";
    std::string model;
    std::string text = "builtin";
};

/// Tokens that are read behind the decoded cache.
constexpr std::uint64_t longest_continuation = 256;

std::string absolute(std::string const& path) { return std::filesystem::absolute(path).lexically_normal().string(); }
/// A file, or a name such as tiny and builtin.
std::string file_or_name(std::string const& name) {
    std::error_code error;
    return std::filesystem::exists(name, error) ? absolute(name) : name;
}

/// Both dumps, before anything is measured. Returns the number of tokens.
std::uint64_t matching_tokens(ScoreOptions const& options) {
    auto const read = [](std::string const& path) {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) throw ConfigError("no such file", path);
        return read_dump(path, {.k = true, .v = true});
    };
    auto const original = read(options.original);
    auto const decoded = read(options.decoded);
    for (auto const& [name, one, other] : {std::tuple{"K", &original.k, &decoded.k}, {"V", &original.v, &decoded.v}}) {
        if (!*one || !*other) throw ConfigError(fmt::format("{} is not in both dumps", name), options.decoded);
        auto const& [layers, heads, tokens, dim] = (*one)->shape;
        auto const& [other_layers, other_heads, other_tokens, other_dim] = (*other)->shape;
        if ((*one)->shape != (*other)->shape)
            throw ConfigError(
                fmt::format("{}: decoded {} is another shape than the original", options.decoded, name),
                fmt::format("{} x {} x {} x {}", other_layers, other_heads, other_tokens, other_dim),
                {fmt::format("{} x {} x {} x {}: layers, heads, tokens, channels", layers, heads, tokens, dim)});
    }
    return original.k->shape.tokens;
}

/// JSON is YAML, with names that need no care.
Json scenario_of(ScoreOptions const& options, Json source, Json context, Json workloads) {
    return {{"kvstone", 1},
            {"name", "score"},
            {"sources", Json::array({std::move(source)})},
            {"codecs", {{options.name, {{"decoded", absolute(options.decoded)}, {"bytes", options.bytes}}}}},
            {"grid", {{"context", Json::array({std::move(context)})}, {"codec", Json::array({options.name})}}},
            {"workloads", std::move(workloads)},
            {"measure", {{"timing", "off"}}}};
}

/// A folder that ends with this object.
class OwnFolder {
  public:
    OwnFolder() {
        auto name = (std::filesystem::temp_directory_path() / "kvstone-score-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw SystemError(name + ": cannot be made", errno);
        path_ = name;
    }
    ~OwnFolder() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
    }
    OwnFolder(OwnFolder const&) = delete;
    OwnFolder& operator=(OwnFolder const&) = delete;
    std::string write(std::string const& name, Json const& scenario) const {
        auto const path = path_ / name;
        std::ofstream(path) << scenario.dump(2) << '\n';
        return path.string();
    }

  private:
    std::filesystem::path path_;
};

ExitCode score(CommandLine const& line, ScoreOptions const& options) {
    auto const tokens = matching_tokens(options);
    OwnFolder const folder;
    std::vector<std::string> scenarios{
        folder.write("tensors.yaml", scenario_of(options, {{"dump", {{"path", absolute(options.original)}}}}, "all",
                                                 Json::array({"roundtrip", "attention"})))};
    if (!options.model.empty()) {
        Json const source{{"model", {{"gguf", file_or_name(options.model)}, {"text", file_or_name(options.text)}}}};
        Json const workload{
            {"model",
             {{"protocol", "context"}, {"passages", 1}, {"continuation", std::min(tokens, longest_continuation)}}}};
        scenarios.push_back(folder.write("model.yaml", scenario_of(options, source, tokens, Json::array({workload}))));
    }
    return run_scenarios(line, std::move(scenarios));
}

}  // namespace

void add_score(CommandLine& line) {
    auto options = std::make_shared<ScoreOptions>();
    auto* command = line.verb(
        "score", "Measure a codec that ran elsewhere: its decoded K and V beside the original ones, and its bytes",
        {"kvstone score original.safetensors decoded.safetensors --bytes 123456 --name mine",
         "kvstone score original.safetensors decoded.safetensors --bytes 123456 --model tiny"});
    command->add_option("original", options->original, "Dump of K and V as they were")->required();
    command
        ->add_option("decoded", options->decoded, "Dump of K and V as the codec brought them back, of the same shape")
        ->required();
    command->add_option("--bytes", options->bytes, "Bytes in which the codec stored K and V together")->required();
    command->add_option("--name", options->name, "The codec's name in tables")->capture_default_str();
    command->add_option(
        "--model", options->model,
        "GGUF model whose cache over the first tokens of the text the original is: it then continues the "
        "text behind the decoded cache, too");
    command->add_option("--text", options->text, "The text of --model")->capture_default_str();
    line.add_lock(*command);
    command->callback([&line, options] { line.action = [&line, options] { return score(line, *options); }; });
}

}  // namespace kvstone
