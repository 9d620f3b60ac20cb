#pragma once
// JSON in the page: columns of numbers, texts by their place in a list, and no text that HTML could read as a tag.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// The text as JSON. "<" is written \u003c, so that no text can end the script element around it.
std::string json_text(std::string_view text);
/// Six significant digits; null where there is no value, or it is not finite.
std::string json_number(std::optional<double> value);

/// Texts that occur many times, each stored once.
class Dictionary {
  public:
    std::int64_t place_of(std::string const& text);
    std::string json() const;

  private:
    std::map<std::string, std::int64_t> places_;
    std::vector<std::string> texts_;
};

/// A JSON array that grows.
class JsonList {
  public:
    void add(std::string_view json);
    std::string text() const { return text_ + "]"; }

  private:
    std::string text_ = "[";
};

/// A JSON object that grows.
class JsonObject {
  public:
    void add(std::string_view name, std::string_view json);
    /// Adds the member unless the object would exceed the limit; returns whether it did.
    bool add_within(std::size_t limit_bytes, std::string_view name, std::string_view json);
    std::string text() const { return text_ + "}"; }

  private:
    std::string text_ = "{";
};

}  // namespace kvstone
