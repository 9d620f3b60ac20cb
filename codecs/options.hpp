#pragma once
// Options of a stage: declared once, validated on the host, spelt canonically.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstone {

/// The values that one option accepts. Make one with choice_option(), integer_option(), number_option() or
/// text_option().
struct OptionSpec {
    enum class Type : std::uint8_t { choice, integer, number, text };

    std::string name;
    Type type = Type::choice;
    /// In canonical spelling. None: the option names the method, must be given and is always printed.
    std::optional<std::string> default_value;
    std::vector<std::string> choices;
    double low = 0;
    double high = 0;
    bool low_excluded = false;
    std::string help;

    /// "symmetric|asymmetric", "1..12", "(0.5, 1]".
    std::string accepted() const;
    /// The value's one spelling ("08" is 8, "1.0" is 1). Throws ConfigError where it is not accepted.
    std::string canonical(std::string const& value) const;
};

OptionSpec choice_option(std::string name, std::optional<std::string> default_value, std::vector<std::string> choices,
                         std::string help);
/// A whole number in [low, high].
OptionSpec integer_option(std::string name, std::optional<std::int64_t> default_value, std::int64_t low,
                          std::int64_t high, std::string help);
/// A finite number in [low, high], or (low, high] where low is excluded.
OptionSpec number_option(std::string name, std::optional<double> default_value, double low, double high,
                         bool low_excluded, std::string help);

/// Any word of codec text: a name, a path, a hash.
OptionSpec text_option(std::string name, std::optional<std::string> default_value, std::string help);

/// The options of one stage, complete and in canonical spelling.
class Options {
  public:
    /// Fills in defaults. Throws ConfigError for an unknown, repeated, missing or unacceptable option.
    Options(std::string const& stage, std::vector<OptionSpec> const& specs,
            std::vector<std::pair<std::string, std::string>> const& given);

    /// These require that the stage declared the option, with that type.
    std::string const& choice(std::string const& name) const { return values_.at(name); }
    std::string const& text(std::string const& name) const { return values_.at(name); }
    std::int64_t integer(std::string const& name) const;
    double number(std::string const& name) const;

    std::map<std::string, std::string> const& values() const { return values_; }

  private:
    std::map<std::string, std::string> values_;
};

}  // namespace kvstone
