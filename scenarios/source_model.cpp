#include <filesystem>

#include "scenarios/source_entry.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_layers = 10'000;

/// The file at `value`, which may be the name of a built-in one.
std::string find_file(YamlValue const* value, std::string const& builtin, YamlValue const& model,
                      SourceFiles const& files, Vocabulary const& vocabulary) {
    if (value != nullptr && text_of(*value) != builtin) return files.absolute(*value, value->text);
    auto path = vocabulary.builtin_path(builtin);
    if (path.empty()) refuse(value != nullptr ? *value : model, "this build has no built-in '" + builtin + "'");
    return path;
}

/// The model at `gguf`, where that is the name of one that is fetched on request; else empty.
std::string find_fetched(YamlValue const& gguf, Vocabulary const& vocabulary) {
    if (!vocabulary.fetched_model) return {};
    try {
        return vocabulary.fetched_model(text_of(gguf));
    } catch (ConfigError const& error) {
        refuse(gguf, error.message());
    }
}

}  // namespace

SourceEntry model_source(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary) {
    YamlMap const map(value, {"gguf", "path", "text", "sha256", "gpu_layers"});
    if (map.find("gguf") != nullptr && map.find("path") != nullptr) refuse(value, "gguf and path name the same thing");
    auto const& gguf = map.find("path") != nullptr ? *map.find("path") : map.at("gguf");
    auto const* text = map.find("text");
    auto model_path = find_fetched(gguf, vocabulary);
    if (model_path.empty()) model_path = find_file(&gguf, "tiny", value, files, vocabulary);
    auto const text_path = find_file(text, "builtin", value, files, vocabulary);
    Json source{{"kind", "model"},
                {"sha256", files.hash(gguf, model_path, map.find("sha256"))},
                {"text_sha256", files.hash(text != nullptr ? *text : value, text_path)}};
    if (auto const* layers = map.find("gpu_layers"))
        if (auto const count = whole_number_of(*layers, 0, most_layers); count != 0) source["gpu_layers"] = count;
    return {std::move(source),
            {{"path", model_path}, {"text", text_path}},
            std::filesystem::path(gguf.text).stem().string()};
}

}  // namespace kvstone
