#include <algorithm>
#include <filesystem>

#include "scenarios/raw_sidecar.hpp"
#include "scenarios/source_entry.hpp"

namespace kvstone {
namespace {

/// What cell.hpp names as the default says nothing when it is spelt out.
void drop_defaults(Json& source) {
    auto const is = [&source](char const* key, char const* text) { return source.value(key, "") == text; };
    if (is("layout", default_layout)) source.erase("layout");
    if (is("q", "q")) source.erase("q");
    if (is("k_prerope", "k_prerope")) source.erase("k_prerope");
    if (is("k", "k") && is("v", "v")) {
        source.erase("k");
        source.erase("v");
    }
}

}  // namespace

std::vector<SourceEntry> dump_sources(YamlValue const& value, SourceFiles const& files) {
    YamlMap const map(value, {"path", "sha256", "k", "v", "q", "k_prerope", "layout", "dtype", "scale"});
    Json options = Json::object();
    for (auto const* key : {"k", "v", "q", "k_prerope", "scale"})
        if (auto const* name = map.find(key)) options[key] = text_of(*name);
    if (auto const* layout = map.find("layout")) options["layout"] = layout_of(*layout);
    if (auto const* dtype = map.find("dtype")) options["dtype"] = choice_of(*dtype, "dtype", dump_dtypes());

    auto const& path = map.at("path");
    auto const found = files.matching(path);
    auto const* sha256 = map.find("sha256");
    if (sha256 != nullptr && found.size() > 1) refuse(*sha256, "one SHA-256 for several files");
    std::vector<SourceEntry> sources;
    for (auto const& [item, file] : found) {
        SourceEntry entry{{{"kind", "dump"}}, Json::object(), std::filesystem::path(file).stem().string()};
        auto data = file;
        if (describes_itself(file)) {
            entry.source.update(options);
            drop_defaults(entry.source);
        } else {
            if (!options.empty()) refuse(value, "a raw file is described by its sidecar", {"path", "sha256"});
            auto sidecar = read_raw_sidecar(*item, file);
            data = std::move(sidecar.binary);
            entry.source["raw"] = std::move(sidecar.tensors);
        }
        entry.source["sha256"] = files.hash(*item, data, sha256);
        entry.locator["path"] = data;
        sources.push_back(std::move(entry));
    }
    return sources;
}

}  // namespace kvstone
