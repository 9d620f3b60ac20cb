#include "harness/sources/config_keys.hpp"

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {

Json text_config_of(std::string_view text, std::string const& what) {
    Json config;
    try {
        config = parse_json(text);
    } catch (Json::exception const& error) {
        throw ConfigError(fmt::format("{}: no JSON: {}", what, error.what()));
    }
    if (!config.is_object()) throw ConfigError(what + ": no JSON object, as a model's config.json is");
    auto const inner = config.find("text_config");
    if (inner != config.end() && inner->is_object() && !config.contains("num_hidden_layers")) return *inner;
    return config;
}

Json read_text_config(std::string const& path) {
    std::string text;
    try {
        text = read_small_file(path);
    } catch (ConfigError const& error) {
        // The place of a source in a scenario is put in the place of the file, which has to be named.
        throw ConfigError(path + ": " + error.message());
    }
    return text_config_of(text, path);
}

Json const* ConfigKeys::find(char const* key) const {
    auto const found = config_.find(key);
    return found == config_.end() || found->is_null() ? nullptr : &*found;
}

bool ConfigKeys::is_true(char const* key) const {
    auto const* value = find(key);
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::string ConfigKeys::text(char const* key) const {
    auto const* value = find(key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<std::uint64_t> ConfigKeys::number(std::initializer_list<char const*> keys, std::uint64_t most) const {
    for (auto const* key : keys) {
        auto const* value = find(key);
        if (value == nullptr) continue;
        if (!value->is_number_unsigned() || *value == 0 || *value > most)
            throw ConfigError(fmt::format("{}: {} is no number from 1 to {}", what_, key, most),
                              excerpt(value->dump()));
        return value->get<std::uint64_t>();
    }
    return {};
}

std::uint64_t ConfigKeys::needed(std::initializer_list<char const*> keys, std::uint64_t most) const {
    auto const value = number(keys, most);
    if (!value) throw ConfigError(fmt::format("{}: a key is missing", what_), {}, {keys.begin(), keys.end()});
    return *value;
}

std::optional<double> ConfigKeys::real(Json const& from, char const* key) const {
    auto const found = from.find(key);
    if (found == from.end() || found->is_null()) return {};
    if (!found->is_number() || !(found->get<double>() > 0))
        throw ConfigError(fmt::format("{}: {} is no number above 0", what_, key), excerpt(found->dump()));
    return found->get<double>();
}

std::uint64_t ConfigKeys::kv_heads(std::uint64_t heads) const {
    if (auto const own = number({"num_key_value_heads"})) {
        if (heads % *own != 0)
            throw ConfigError(fmt::format("{}: {} query heads are no multiple of {} KV heads", what_, heads, *own));
        return *own;
    }
    if (is_true("new_decoder_architecture")) return number({"num_kv_heads"}).value_or(heads);
    return is_true("multi_query") ? 1 : heads;
}

std::uint64_t ConfigKeys::head_dim(std::uint64_t heads) const {
    if (auto const own = number({"head_dim"})) return *own;
    auto const width = number({"hidden_size", "n_embd"});
    if (!width || *width % heads != 0)
        throw ConfigError(what_ + ": no head_dim, and no hidden_size that is a multiple of the heads");
    return *width / heads;
}

}  // namespace kvstone
