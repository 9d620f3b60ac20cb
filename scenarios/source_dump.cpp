#include <algorithm>
#include <filesystem>
#include <fstream>

#include "scenarios/raw_sidecar.hpp"
#include "scenarios/safetensors_index.hpp"
#include "scenarios/source_entry.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

std::string first_bytes(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    char begin[2] = "";
    file.read(begin, sizeof begin);
    return {begin, sizeof begin};
}
/// A zip archive, as torch.save() writes since PyTorch 1.6.
bool begins_as_archive(std::string const& path) { return first_bytes(path) == "PK"; }
/// A pickle of protocol 2 and up, as torch.save() wrote before.
bool begins_pickled(std::string const& path) {
    auto const begin = first_bytes(path);
    return begin[0] == '\x80' && begin[1] >= 2 && begin[1] <= 5;
}

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

/// Refuses a file that is no dump, with the text to write in its place.
void require_dump(YamlValue const& item, std::string const& path) {
    auto const name = std::filesystem::path(path).filename().string();
    std::error_code error;
    auto const there = std::filesystem::status(path, error);
    if (std::filesystem::is_directory(there)) {
        std::vector<std::string> inside;
        for (auto const* extension : self_describing_extensions)
            for (auto const& entry : std::filesystem::directory_iterator(path, error))
                if (entry.path().extension() == extension) {
                    inside.push_back("'" + (std::filesystem::path(item.text) / "*").string() + extension + "'");
                    break;
                }
        refuse(item, "a folder, not a file: name the dumps in it, by a pattern or one by one", std::move(inside));
    }
    if (there.type() == std::filesystem::file_type::not_found)
        throw ConfigError(item.path + ": no such file", excerpt(path), {}, item.place);
    if (error && !std::filesystem::status_known(there))
        throw ConfigError(item.path + ": " + error.message(), excerpt(path), {}, item.place);
    auto const ends = [&](char const* ending) { return name.ends_with(ending); };
    if (ends(".gguf"))
        refuse(item, "a model, whose K and V are captured over a text",
               {"model: {gguf: " + item.text + ", text: builtin}"});
    if (ends(".index.json") && !ends(".safetensors.index.json"))
        refuse(item, "an index of shards that are no safetensors", {".safetensors.index.json", ".safetensors"});
    if (is_safetensors_index(path)) {
        try {
            shards_of_index(path);
        } catch (CorruptData const& broken) {
            throw ConfigError(item.path + ": " + broken.what(), excerpt(name), {}, item.place);
        }
    }
    for (auto const* pickled : {".pt", ".pth", ".ckpt", ".pkl", ".bin"}) {
        if (!ends(pickled) || std::filesystem::exists(path + ".yaml", error)) continue;
        if (begins_pickled(path))
            refuse(item,
                   "a plain pickle, or a file of PyTorch before 1.6: save it anew, as in torch.save({\"k\": k, \"v\": "
                   "v}, \"cache.pt\") or safetensors.torch.save_file",
                   {".safetensors", ".npy", ".npz", ".pt"});
        if (!describes_itself(path) && begins_as_archive(path))
            refuse(item, "an archive: if torch.save() of PyTorch wrote it, give it the extension .pt",
                   {".safetensors", ".npy", ".npz", ".pt"});
    }
}

/// {"latent", ["query_dim"]}, or nothing where it is no latent attention.
Json latent_of(YamlMap const& map, SourceFiles const& files, Vocabulary const& vocabulary) {
    constexpr std::uint64_t most_channels = 1 << 16;
    auto latent = Json::object();
    // RoPE's channels are where the latent is not.
    for (auto const* key : {"rope", "shape"}) {
        auto const* const shape = map.find(key);
        if (shape == nullptr || !vocabulary.shape) continue;
        if (key == std::string_view("rope") && !text_of(*shape).ends_with(".json")) continue;
        auto const facts = shape_facts_at(*shape, files, vocabulary);
        if (facts.contains("latent"))
            latent = {{"latent", facts["latent"]}, {"query_dim", facts["query_dim"]}};
        else if (key == std::string_view("shape"))
            refuse(*shape, "a shape without a latent, which is all that a dump's shape is asked for", {"kv_heads: N"});
    }
    if (auto const* own = map.find("latent")) latent["latent"] = whole_number_of(*own, 1, most_channels);
    return latent;
}

}  // namespace

std::vector<SourceEntry> dump_sources(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary) {
    YamlMap const map(value, {"path", "sha256", "k", "v", "q", "k_prerope", "layout", "dtype", "scale", "kv_heads",
                              "shape", "latent", "tokens", "dim", "batch", "rope"});
    Json options = Json::object();
    for (auto const* key : {"k", "v", "q", "k_prerope", "scale"})
        if (auto const* name = map.find(key)) options[key] = text_of(*name);
    if (auto const* layout = map.find("layout"))
        if (auto axes = layout_of(*layout); axes != default_layout) options["layout"] = std::move(axes);
    if (auto const* dtype = map.find("dtype")) options["dtype"] = choice_of(*dtype, "dtype", dump_dtypes());

    if (auto const* heads = map.find("kv_heads")) options["kv_heads"] = whole_number_of(*heads, 1, 1 << 16);
    for (auto const* key : {"tokens", "dim"})
        if (auto const* used = map.find(key)) options[key] = whole_number_of(*used, 1, longest_axis);
    if (auto const* batch = map.find("batch")) options["batch"] = whole_number_of(*batch, 0, longest_axis);
    Json rope;
    if (auto const* config = map.find("rope"); config != nullptr && vocabulary.rope) {
        try {
            rope = vocabulary.rope(files.absolute(*config, text_of(*config)));
        } catch (ConfigError const& error) {
            throw error.at(config->place);
        }
    }

    auto const latent = latent_of(map, files, vocabulary);

    auto const& path = map.at("path");
    auto const found = files.matching(path);
    auto const* sha256 = map.find("sha256");
    if (sha256 != nullptr && found.size() > 1) refuse(*sha256, "one SHA-256 for several files");
    std::vector<SourceEntry> sources;
    for (auto const& [item, file] : found) {
        SourceEntry entry{{{"kind", "dump"}}, Json::object(), std::filesystem::path(file).stem().string()};
        require_dump(*item, file);
        auto data = file;
        if (describes_itself(file)) {
            entry.source.update(options);
            settle_names(entry.source);
        } else {
            if (!options.empty())
                refuse(value, "a raw file is described by its sidecar", {"path", "sha256", "shape", "latent", "rope"});
            auto sidecar = read_raw_sidecar(*item, file);
            data = std::move(sidecar.binary);
            entry.locator["sidecar"] = std::move(sidecar.path);
            entry.source["raw"] = std::move(sidecar.tensors);
        }
        entry.source.update(latent);
        if (!rope.is_null()) entry.source["rope"] = rope;
        entry.source["sha256"] = files.hash(*item, data, sha256);
        entry.locator["path"] = data;
        sources.push_back(std::move(entry));
    }
    return sources;
}

}  // namespace kvstone
