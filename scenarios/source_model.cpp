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

struct Weights {
    YamlValue const* named;  ///< the value that names it, alone or with others
    std::string path;
    std::string name;  ///< for display
};

/// The files of a model's weights: one by its name, or those of a pattern or of a list.
std::vector<Weights> weights_of(YamlValue const& gguf, YamlValue const& model, SourceFiles const& files,
                                Vocabulary const& vocabulary) {
    auto const stem = [](std::string const& path) { return std::filesystem::path(path).stem().string(); };
    std::vector<Weights> found;
    for (auto const* one : one_or_more(gguf)) {
        auto path = find_fetched(*one, vocabulary);
        for (auto const* shipped : {"tiny", "tiny-q8_0", "tiny-q4_0"})
            if (path.empty() && text_of(*one) == shipped) path = find_file(one, shipped, model, files, vocabulary);
        if (!path.empty())
            found.push_back({one, path, stem(one->text)});
        else
            for (auto const& [named, match] : files.matching(*one)) found.push_back({named, match, stem(match)});
    }
    return found;
}

}  // namespace

std::vector<SourceEntry> model_sources(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary) {
    YamlMap const map(value, {"gguf", "path", "text", "sha256", "gpu_layers", "reference"});
    if (map.find("gguf") != nullptr && map.find("path") != nullptr) refuse(value, "gguf and path name the same thing");
    auto const& gguf = map.find("path") != nullptr ? *map.find("path") : map.at("gguf");
    auto const weights = weights_of(gguf, value, files, vocabulary);
    auto const* const expected = map.find("sha256");
    if (expected != nullptr && weights.size() != 1) refuse(*expected, "one SHA-256 for several files");
    auto const* const text = map.find("text");
    auto const text_path = find_file(text, "builtin", value, files, vocabulary);
    std::vector<std::string> digests;
    for (auto const& one : weights) digests.push_back(files.hash(*one.named, one.path, expected));
    Json common{{"kind", "model"}, {"text_sha256", files.hash(text != nullptr ? *text : value, text_path)}};
    Json locator{{"text", text_path}};
    if (auto const* layers = map.find("gpu_layers"))
        if (auto const count = whole_number_of(*layers, 0, most_layers); count != 0) common["gpu_layers"] = count;
    if (auto const* reference = map.find("reference")) {
        auto const measure = weights_of(*reference, value, files, vocabulary);
        if (measure.size() != 1) refuse(*reference, "expected one model");
        locator["reference"] = measure.front().path;
        common["reference_sha256"] = files.hash(*reference, measure.front().path);
    }
    std::vector<SourceEntry> entries;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        SourceEntry entry{common, locator, weights[i].name};
        entry.source["sha256"] = digests[i];
        entry.locator["path"] = weights[i].path;
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace kvstone
