#pragma once
// Keys of a model's config.json, the file that Hugging Face's transformers keeps beside the weights.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "scenarios/json.hpp"

namespace kvstone {

/// The part of the file about the text model: a model for images or sound keeps it in text_config. Throws ConfigError,
/// beginning with `what`, where the text is no JSON object.
Json text_config_of(std::string_view text, std::string const& what);
/// The same for a file of at most a megabyte; errors name its path.
Json read_text_config(std::string const& path);

/// Typed access to the keys. Every ConfigError begins with `what`, which names the file, and names the key. Both
/// arguments have to outlive this object.
class ConfigKeys {
  public:
    ConfigKeys(Json const& config, std::string const& what) : config_(config), what_(what) {}

    /// Null where the key is absent, or its value is null.
    Json const* find(char const* key) const;
    bool is_true(char const* key) const;
    /// Empty where the key is absent or no text.
    std::string text(char const* key) const;
    /// The first of the keys that exists: a whole number from 1 to `most`.
    std::optional<std::uint64_t> number(std::initializer_list<char const*> keys,
                                        std::uint64_t most = std::uint64_t{1} << 16) const;
    /// The same; throws where none of the keys exists.
    std::uint64_t needed(std::initializer_list<char const*> keys, std::uint64_t most = std::uint64_t{1} << 16) const;
    /// A number above 0 from `from`, which is this map or a map inside it.
    std::optional<double> real(Json const& from, char const* key) const;

    /// KV heads for this many query heads: num_key_value_heads, or the keys of Falcon and GPT-2 in its place.
    std::uint64_t kv_heads(std::uint64_t heads) const;
    /// Channels of a head: head_dim, or hidden_size over the heads where there is no such key.
    std::uint64_t head_dim(std::uint64_t heads) const;

    Json const& all() const { return config_; }
    std::string const& what() const { return what_; }

  private:
    Json const& config_;
    std::string const& what_;
};

}  // namespace kvstone
