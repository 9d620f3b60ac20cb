#include "scenarios/raw_sidecar.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/safetensors_index.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

Json shape_of(YamlValue const& value, std::string const& layout) {
    Json shape = Json::array();
    for (auto const& length : items_of(value)) shape.push_back(whole_number_of(length, 1, longest_axis));
    auto const axes = static_cast<std::size_t>(std::count(layout.begin(), layout.end(), ' ')) + 1;
    if (shape.size() != axes) refuse(value, fmt::format("expected {} lengths, for '{}'", axes, layout));
    return shape;
}

Json tensor_of(YamlMap const& file, YamlValue const& value) {
    YamlMap const own(value, {"offset", "dtype", "layout", "shape", "scale", "tokens", "dim"});
    auto const find = [&](char const* key) { return own.find(key) != nullptr ? own.find(key) : file.find(key); };
    auto const at = [&](char const* key) -> YamlValue const& {
        auto const* found = find(key);
        return found != nullptr ? *found : own.at(key);
    };
    Json tensor{{"offset", 0}, {"layout", default_layout}};
    if (auto const* offset = own.find("offset")) tensor["offset"] = whole_number_of(*offset, 0, std::uint64_t{1} << 62);
    if (auto const* layout = find("layout")) tensor["layout"] = layout_of(*layout);
    tensor["dtype"] = choice_of(at("dtype"), "dtype", dump_dtypes());
    tensor["shape"] = shape_of(at("shape"), tensor["layout"].get<std::string>());
    if (auto const* scale = find("scale")) tensor["scale"] = number_of(*scale);
    for (auto const* key : {"tokens", "dim"})
        if (auto const* used = find(key)) tensor[key] = whole_number_of(*used, 1, longest_axis);
    return tensor;
}

}  // namespace

bool describes_itself(std::string const& path) {
    if (is_safetensors_index(path)) return true;
    auto const extension = std::filesystem::path(path).extension();
    if (std::ranges::find(self_describing_extensions, extension) != std::end(self_describing_extensions)) return true;
    std::error_code error;
    if (std::filesystem::exists(path + ".yaml", error) || !std::filesystem::is_regular_file(path, error)) return false;
    std::ifstream file(path, std::ios::binary);
    char magic[5] = "";
    file.read(magic, 4);
    return extension == ".data" || std::string_view(magic) == "nsgg" || std::string_view(magic) == "qsgg";
}

std::vector<std::string> const& dump_dtypes() {
    static std::vector<std::string> const all{"f32", "f16", "bf16", "i8", "f8_e4m3", "f8_e5m2"};
    return all;
}

std::string layout_of(YamlValue const& value) {
    static std::vector<std::string> const axes{"layer", "batch", "head", "token", "dim"};
    std::istringstream words(text_of(value));
    std::vector<std::string> found;
    for (std::string word; words >> word; found.push_back(word)) {
        if (std::find(axes.begin(), axes.end(), word) == axes.end()) refuse(value, "unknown axis in a layout", axes);
        if (std::find(found.begin(), found.end(), word) != found.end())
            refuse(value, "an axis twice in a layout", axes);
    }
    for (auto const* needed : {"token", "dim"})
        if (std::find(found.begin(), found.end(), needed) == found.end())
            refuse(value, "a layout without token or dim", axes);
    return fmt::format("{}", fmt::join(found, " "));
}

RawSidecar read_raw_sidecar(YamlValue const& named, std::string const& path) {
    auto const is_sidecar = path.ends_with(".yaml");
    auto const sidecar = is_sidecar ? path : path + ".yaml";
    if (!std::filesystem::exists(sidecar)) {
        if (is_sidecar || !std::filesystem::exists(path)) refuse(named, "no such file");
        refuse(named, "a raw file needs a sidecar that describes it, " + sidecar,
               {".safetensors", ".npy", ".npz", ".pt", ".yaml"});
    }
    auto const root = read_yaml_file(sidecar);
    if (is_sidecar && std::ranges::any_of(root.entries, [](YamlEntry const& one) { return one.key == "kvstone"; }))
        refuse(named, "a scenario, which is no dump: it is measured by `kvstone run`",
               {".safetensors", ".npy", ".npz", ".pt", "the sidecar of a raw file"});
    YamlMap const map(root, {"file", "dtype", "layout", "shape", "scale", "tokens", "dim", "k", "v", "q", "k_prerope"});
    RawSidecar result{sidecar, sidecar.substr(0, sidecar.size() - 5), Json::object()};
    if (auto const* file = map.find("file"))
        result.binary = (std::filesystem::path(sidecar).parent_path() / text_of(*file)).lexically_normal().string();
    if (!is_sidecar && result.binary != path) refuse(*map.find("file"), "the sidecar of another file");
    for (auto const* name : {"k", "v", "q", "k_prerope"})
        if (auto const* tensor = map.find(name)) result.tensors[name] = tensor_of(map, *tensor);
    if (!result.tensors.contains("k") && !result.tensors.contains("v")) refuse(root, "describes no tensor", {"k", "v"});
    return result;
}

}  // namespace kvstone
