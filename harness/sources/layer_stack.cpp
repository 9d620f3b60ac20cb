#include "harness/sources/layer_stack.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::string_view placeholder = "{layer}";

/// The layer's number where a name is that of the pattern; no leading zeros.
std::optional<std::uint64_t> layer_of(std::string_view name, std::string_view before, std::string_view after) {
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after)) return {};
    auto const digits = name.substr(before.size(), name.size() - before.size() - after.size());
    std::uint64_t layer = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
    if (error != std::errc{} || end != digits.data() + digits.size() || std::to_string(layer) != digits) return {};
    return layer;
}

class LayerStack : public ArrayFile {
  public:
    LayerStack(ArrayFile const& file, std::string const& pattern)
        : file_(file), pattern_(pattern), layers_(arrays_of_layers(file, pattern)) {
        path_ = file.path();
        metadata_ = file.metadata();
        arrays_ = file.arrays();
        auto info = file.arrays().at(layers_.front());
        for (auto const& layer : layers_) {
            auto const& other = file.arrays().at(layer);
            if (other.dtype != info.dtype || other.shape != info.shape || other.fortran_order != info.fortran_order)
                throw ConfigError(
                    fmt::format("{}: layers that differ: '{}' is {} of {}, '{}' is {} of {}", path_, layers_.front(),
                                shape_text(info.shape), info.dtype, layer, shape_text(other.shape), other.dtype),
                    pattern);
        }
        if (info.fortran_order) throw ConfigError(path_ + ": layers in Fortran's order cannot be stacked", pattern);
        info.shape.insert(info.shape.begin(), layers_.size());
        arrays_[pattern] = std::move(info);
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        if (name != pattern_) return file_.bytes(name);
        auto const& info = arrays_.at(pattern_);
        auto const all = array_bytes(info.shape, info.element_bytes, path_);
        auto const stacked = std::make_shared<std::vector<std::byte>>(all);
        auto const each = all / layers_.size();
        for (std::size_t i = 0; i < layers_.size() && each > 0; ++i)
            std::memcpy(stacked->data() + i * each, file_.bytes(layers_[i]).get(), each);
        return {stacked, stacked->data()};
    }

  private:
    ArrayFile const& file_;
    std::string pattern_;
    std::vector<std::string> layers_;
};

}  // namespace

bool is_layer_pattern(std::string const& name) {
    auto const first = name.find(placeholder);
    return first != std::string::npos && name.find(placeholder, first + 1) == std::string::npos;
}

std::vector<std::string> arrays_of_layers(ArrayFile const& file, std::string const& pattern) {
    auto const at = pattern.find(placeholder);
    auto const before = pattern.substr(0, at);
    auto const after = pattern.substr(at + placeholder.size());
    std::map<std::uint64_t, std::string> found;
    for (auto const& [name, info] : file.arrays())
        if (auto const layer = layer_of(name, before, after)) found.emplace(*layer, name);
    if (found.empty()) {
        std::vector<std::string> names;
        for (auto const& [name, info] : file.arrays()) names.push_back(name);
        throw ConfigError(file.path() + ": the dump has no array of this pattern", pattern, std::move(names));
    }
    std::vector<std::string> names;
    for (auto& [layer, name] : found) {
        if (layer != names.size())
            throw ConfigError(
                fmt::format("{}: layer {} is missing, and layer {} is there", file.path(), names.size(), layer),
                pattern);
        names.push_back(std::move(name));
    }
    return names;
}

std::optional<std::pair<std::string, std::string>> usual_layer_patterns(ArrayFile const& file) {
    static constexpr std::pair<char const*, char const*> usual[] = {
        {"{layer}.0", "{layer}.1"},
        {"key_cache.{layer}", "value_cache.{layer}"},
        {"layers.{layer}.keys", "layers.{layer}.values"},
        {"{layer}.k", "{layer}.v"},
        {"{layer}.key", "{layer}.value"},
        {"k.{layer}", "v.{layer}"},
    };
    std::optional<std::pair<std::string, std::string>> found;
    for (auto const& [k, v] : usual) {
        // Layer 0 shows the text before the pattern.
        auto const with = [](std::string const& pattern, std::string_view layer) {
            auto text = pattern;
            return text.replace(text.find(placeholder), placeholder.size(), layer);
        };
        auto const first_k = with(k, "0");
        for (auto const& [name, info] : file.arrays()) {
            if (!name.ends_with(first_k)) continue;
            auto const prefix = name.substr(0, name.size() - first_k.size());
            if ((!prefix.empty() && !prefix.ends_with('.')) || !file.arrays().contains(prefix + with(v, "0"))) continue;
            if (found) return {};
            found = {prefix + k, prefix + v};
        }
    }
    return found;
}

std::unique_ptr<ArrayFile> stack_layers(ArrayFile const& file, std::string const& pattern) {
    return std::make_unique<LayerStack>(file, pattern);
}

std::string layout_of_stack(std::string const& layout, std::size_t axes_of_layer) {
    if (!layout.empty()) return "layer " + layout;
    if (axes_of_layer == 2) return "layer token dim";
    return axes_of_layer == 3 ? "layer head token dim" : "layer batch head token dim";
}

}  // namespace kvstone
