#pragma once
// From YAML values to typed ones. Every function throws ConfigError with place, path and the accepted values.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/yaml_value.hpp"

namespace kvstone {

/// "PATH: WHAT: 'the value'; accepted: ..." at the value's place.
[[noreturn]] void refuse(YamlValue const& value, std::string const& what, std::vector<std::string> accepted = {});

/// An argument of the command line, to be read as values in scenarios are; `option` is its name in errors.
YamlValue scalar_of(std::string const& option, std::string const& text);

/// A map that has no keys but the named ones.
class YamlMap {
  public:
    YamlMap(YamlValue const& value, std::vector<std::string> const& keys);
    /// Null where the key is absent.
    YamlValue const* find(std::string_view key) const;
    /// Refused where the key is absent.
    YamlValue const& at(std::string_view key) const;

  private:
    YamlValue const& value_;
};

/// A list with at least one item.
std::vector<YamlValue> const& items_of(YamlValue const& value);
/// One scalar, or a list with at least one item.
std::vector<YamlValue const*> one_or_more(YamlValue const& value);

/// One line that is not empty.
std::string const& text_of(YamlValue const& value);
/// One of the accepted names; `what` names their kind ("backend").
std::string choice_of(YamlValue const& value, std::string const& what, std::vector<std::string> const& accepted);
std::uint64_t whole_number_of(YamlValue const& value, std::uint64_t least, std::uint64_t most);
/// Any finite number.
double number_of(YamlValue const& value);
/// on, off, true or false.
bool switch_of(YamlValue const& value);
/// Seconds of "0.3 s", "300 ms", "2 min", "1 h"; at most 1,000 hours.
double duration_s_of(YamlValue const& value);
/// Bytes of "512 MiB", "4 GiB", "2 GB", "100 kB", "4096 B"; at least 1.
std::uint64_t bytes_of(YamlValue const& value);
/// Tokens of "512", "32k" (32 x 1024), "1M" (1024 x 1024); 0 for "all".
std::uint64_t tokens_of(YamlValue const& value);

}  // namespace kvstone
