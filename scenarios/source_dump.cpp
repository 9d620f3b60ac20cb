#include <algorithm>
#include <filesystem>

#include "scenarios/raw_sidecar.hpp"
#include "scenarios/source_entry.hpp"

namespace kvstone {
namespace {

/// Where tensors are named, says all that are meant; where they are named as they are called anyway, says nothing.
void settle_names(Json& source) {
    bool const any =
        source.contains("k") || source.contains("v") || source.contains("q") || source.contains("k_prerope");
    if (any && !source.contains("k") && !source.contains("v")) source.update({{"k", "k"}, {"v", "v"}});
    auto const is_called = [&source](char const* name, std::string const& absent) {
        return source.value(name, absent) == name;
    };
    if (!is_called("k", "") || !is_called("v", "") || !is_called("q", "q") || !is_called("k_prerope", "k_prerope"))
        return;
    for (auto const* name : {"k", "v", "q", "k_prerope"}) source.erase(name);
}

}  // namespace

std::vector<SourceEntry> dump_sources(YamlValue const& value, SourceFiles const& files) {
    YamlMap const map(value, {"path", "sha256", "k", "v", "q", "k_prerope", "layout", "dtype", "scale"});
    Json options = Json::object();
    for (auto const* key : {"k", "v", "q", "k_prerope", "scale"})
        if (auto const* name = map.find(key)) options[key] = text_of(*name);
    if (auto const* layout = map.find("layout"))
        if (auto axes = layout_of(*layout); axes != default_layout) options["layout"] = std::move(axes);
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
            settle_names(entry.source);
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
