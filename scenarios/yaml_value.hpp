#pragma once
// A YAML text as a tree in which every value knows where it stands and which key leads to it.

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/errors.hpp"

namespace kvstone {

struct YamlEntry;

/// Empty, a scalar, a list or a map. Aliases are resolved into copies.
struct YamlValue {
    enum class Kind : std::uint8_t { nothing, scalar, list, map };

    Kind kind = Kind::nothing;
    bool quoted = false;             ///< a scalar in quotes is text, never a number
    std::string text;                ///< of a scalar
    std::vector<YamlValue> items;    ///< of a list
    std::vector<YamlEntry> entries;  ///< of a map, in the order of the text; no key stands twice
    std::string path;                ///< "sources.0.synthetic.seed"; empty at the top
    TextPlace place;
};

struct YamlEntry {
    std::string key;
    TextPlace key_place;
    YamlValue value;
};

/// Largest text that is read, and most values it may hold once its aliases are resolved.
inline constexpr std::size_t max_yaml_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_yaml_values = 200'000;

/// Reads one document. `name` stands for the file in errors. Throws ConfigError: text that is too large, empty, binary
/// or no UTF-8, broken YAML, keys that are no scalars or stand twice, tags, more than one document, too many values.
YamlValue read_yaml(std::string const& text, std::string const& name);

/// Reads a file with read_yaml. Throws ConfigError also where it cannot be read.
YamlValue read_yaml_file(std::string const& path);

/// Puts `yaml` at the end of the dotted path ("grid.context", "sources.0.synthetic.seed"). Keys that are missing on the
/// way are added; validation judges them later. Places inside the new value read "--set PATH". Throws ConfigError.
void override_value(YamlValue& root, std::string const& path, std::string const& yaml);

}  // namespace kvstone
