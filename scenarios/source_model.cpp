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

/// The files of a model's weights, with the values that name them: one by its name, or those of a pattern or of a list.
std::vector<std::pair<YamlValue const*, std::string>> weights_of(YamlValue const& gguf, YamlValue const& model,
                                                                 SourceFiles const& files,
                                                                 Vocabulary const& vocabulary) {
    std::vector<std::pair<YamlValue const*, std::string>> found;
    for (auto const* one : one_or_more(gguf)) {
        auto path = find_fetched(*one, vocabulary);
        for (auto const* shipped : {"tiny", "tiny-q8_0", "tiny-q4_0"})
            if (path.empty() && text_of(*one) == shipped) path = find_file(one, shipped, model, files, vocabulary);
        if (!path.empty())
            found.emplace_back(one, path);
        else
            for (auto& match : files.matching(*one)) found.push_back(std::move(match));
    }
    return found;
}

}  // namespace

std::vector<SourceEntry> model_sources(YamlValue const& value, SourceFiles const& files,
                                       Vocabulary const& vocabulary) {
    YamlMap const map(value, {"gguf", "path", "text", "sha256", "gpu_layers", "reference"});
    if (map.find("gguf") != nullptr && map.find("path") != nullptr) refuse(value, "gguf and path name the same thing");
    auto const& gguf = map.find("path") != nullptr ? *map.find("path") : map.at("gguf");
    auto const* const text = map.find("text");
    auto const text_path = find_file(text, "builtin", value, files, vocabulary);
    Json common{{"kind", "model"}, {"text_sha256", files.hash(text != nullptr ? *text : value, text_path)}};
    Json locator{{"text", text_path}};
    if (auto const* layers = map.find("gpu_layers"))
        if (auto const count = whole_number_of(*layers, 0, most_layers); count != 0) common["gpu_layers"] = count;
    if (auto const* reference = map.find("reference")) {
        auto const weights = weights_of(*reference, value, files, vocabulary);
        if (weights.size() != 1) refuse(*reference, "expected one model");
        locator["reference"] = weights.front().second;
        common["reference_sha256"] = files.hash(*reference, weights.front().second);
    }
    auto const weights = weights_of(gguf, value, files, vocabulary);
    auto const* const expected = map.find("sha256");
    if (expected != nullptr && weights.size() != 1) refuse(*expected, "one SHA-256 for several files");
    std::vector<SourceEntry> entries;
    for (auto const& [named, path] : weights) {
        SourceEntry entry{common, locator, std::filesystem::path(path).stem().string()};
        entry.source["sha256"] = files.hash(*named, path, expected);
        entry.locator["path"] = path;
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace kvstone
