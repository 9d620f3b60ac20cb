#include "harness/sources/layer_kinds.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

using enum LayerKind;

/// Of transformers' configuration classes: every n-th layer is full where files with windows do not say which ones are.
struct Interval {
    std::string_view model_type;
    std::uint64_t layers;
};
constexpr Interval window_intervals[] = {{"gemma2", 2},       {"gemma3", 6},  {"gemma3_text", 6}, {"gemma3n", 5},
                                         {"gemma3n_text", 5}, {"cohere2", 4}, {"gpt_oss", 2}};
constexpr Interval linear_intervals[] = {{"qwen3_next", 4}, {"qwen3_5_text", 4}, {"qwen3_5_moe_text", 4}};
constexpr std::uint64_t chunk_interval = 4;  ///< Llama 4
constexpr std::string_view chunk_types[] = {"llama4", "llama4_text"};
/// Models all of whose layers have the window that the file names.
constexpr std::string_view window_everywhere[] = {"mistral", "mixtral", "phi3", "phimoe", "starcoder2"};

struct KindName {
    std::string_view name;
    LayerKind kind;
};
constexpr KindName kind_names[] = {{"full_attention", full},
                                   {"attention", full},
                                   {"sliding_attention", window},
                                   {"chunked_attention", chunk},
                                   {"linear_attention", state},
                                   {"mamba", state},
                                   {"hybrid", full_and_state},
                                   {"moe", nothing},
                                   {"mlp", nothing}};

class Kinds {
  public:
    Kinds(ConfigKeys const& keys, std::uint64_t layers)
        : keys_(keys), layers_(layers), type_(keys.text("model_type")) {}

    std::vector<LayerKind> read() const {
        auto kinds = of_any_key();
        auto const* const shared = keys_.find("num_kv_shared_layers");
        if (shared == nullptr || *shared == 0) return kinds;
        auto const count = keys_.needed({"num_kv_shared_layers"});
        if (count >= layers_) refuse("num_kv_shared_layers", fmt::format("{} of {} layers", count, layers_));
        std::fill(kinds.end() - static_cast<std::ptrdiff_t>(count), kinds.end(), nothing);
        return kinds;
    }

  private:
    [[noreturn]] void refuse(std::string const& key, std::string const& why,
                             std::vector<std::string> accepted = {}) const {
        throw ConfigError(fmt::format("{}: {}: {}", keys_.what(), key, why), {}, std::move(accepted));
    }
    std::vector<LayerKind> by_index(std::function<LayerKind(std::uint64_t)> const& kind) const {
        std::vector<LayerKind> kinds;
        for (std::uint64_t i = 0; i < layers_; ++i) kinds.push_back(kind(i));
        return kinds;
    }
    /// The last of every n layers is full.
    std::vector<LayerKind> every(std::uint64_t interval, LayerKind others) const {
        return by_index([&](std::uint64_t i) { return (i + 1) % interval == 0 ? full : others; });
    }
    template <std::size_t n>
    std::optional<std::uint64_t> usual(Interval const (&intervals)[n]) const {
        auto const found = std::ranges::find(intervals, type_, &Interval::model_type);
        return found == std::end(intervals) ? std::nullopt : std::optional(found->layers);
    }
    bool is_among(auto const& names) const { return std::ranges::find(names, type_) != std::end(names); }
    /// A list that is there and not empty; null where it is not.
    Json const* list(char const* key) const {
        auto const* const value = keys_.find(key);
        if (value == nullptr) return nullptr;
        if (!value->is_array()) refuse(key, "no list");
        return value->empty() ? nullptr : value;
    }

    std::vector<LayerKind> of_any_key() const {
        if (auto const pattern = keys_.text("hybrid_override_pattern"); !pattern.empty()) return of_letters(pattern);
        for (auto const* key : {"layer_types", "layers_block_type"})
            if (auto const* const names = list(key)) return of_names(key, *names);
        if (auto const* const linear = keys_.find("linear_attn_config")) return of_numbers(*linear);
        if (keys_.find("attn_layer_period") != nullptr) return of_period();
        if (auto const* const indices = list("attn_layer_indices")) return of_indices(*indices);
        if (auto const interval = keys_.number({"full_attention_interval"})) return every(*interval, state);
        if (auto const interval = usual(linear_intervals)) return every(*interval, state);
        if (type_ == "falcon_h1") return by_index([](std::uint64_t) { return full_and_state; });
        for (auto const* key : {"mamba_d_state", "ssm_state_size", "linear_num_value_heads", "linear_num_heads"})
            if (keys_.find(key) != nullptr)
                refuse(key, "nothing says which layers keep a state",
                       {"layer_types", "full_attention_interval", "attn_layer_period", "hybrid_override_pattern"});
        if (keys_.find("attention_chunk_size") != nullptr) return of_chunks();
        bool const unused = keys_.find("use_sliding_window") != nullptr && !keys_.is_true("use_sliding_window");
        if (keys_.find("sliding_window") != nullptr && !unused) return of_windows();
        return by_index([](std::uint64_t) { return full; });
    }

    std::vector<LayerKind> of_letters(std::string const& pattern) const {
        std::vector<LayerKind> kinds;
        for (auto const letter : pattern) {
            if (letter != 'M' && letter != '*' && letter != '-' && letter != 'E')
                refuse("hybrid_override_pattern", fmt::format("a layer of the kind '{}' is not known here", letter),
                       {"M (Mamba-2)", "* (attention)", "- (MLP)", "E (experts)"});
            kinds.push_back(letter == 'M' ? state : letter == '*' ? full : nothing);
        }
        return counted("hybrid_override_pattern", std::move(kinds));
    }
    std::vector<LayerKind> of_names(char const* key, Json const& names) const {
        std::vector<LayerKind> kinds;
        for (auto const& name : names) {
            auto const text = name.is_string() ? name.get<std::string>() : name.dump();
            auto const found = std::ranges::find(kind_names, text, &KindName::name);
            if (found == std::end(kind_names)) {
                std::vector<std::string> known;
                for (auto const& one : kind_names) known.emplace_back(one.name);
                throw ConfigError(fmt::format("{}: {}: a layer of a kind that is not known here", keys_.what(), key),
                                  excerpt(text), known);
            }
            kinds.push_back(found->kind);
        }
        return counted(key, std::move(kinds));
    }
    std::vector<LayerKind> counted(char const* key, std::vector<LayerKind> kinds) const {
        if (kinds.size() != layers_) refuse(key, fmt::format("{} layers, not {}", kinds.size(), layers_));
        return kinds;
    }
    /// Kimi Linear's: numbers of layers from 1 on.
    std::vector<LayerKind> of_numbers(Json const& linear) const {
        std::vector<std::optional<LayerKind>> kinds(layers_);
        for (auto const& [key, kind] : {std::pair{"full_attn_layers", full}, std::pair{"kda_layers", state}}) {
            auto const found = linear.find(key);
            if (found == linear.end() || !found->is_array()) refuse("linear_attn_config", fmt::format("no {}", key));
            for (auto const& number : *found) {
                if (!number.is_number_unsigned() || number == 0 || number > layers_)
                    refuse("linear_attn_config", fmt::format("{} has no layer {}", key, excerpt(number.dump())));
                kinds[number.get<std::uint64_t>() - 1] = kind;
            }
        }
        if (std::ranges::any_of(kinds, [](auto const& kind) { return !kind; }))
            refuse("linear_attn_config", "a layer that stands in neither list");
        return by_index([&](std::uint64_t i) { return *kinds[i]; });
    }
    std::vector<LayerKind> of_period() const {
        auto const period = keys_.needed({"attn_layer_period"});
        auto const* const offset = keys_.find("attn_layer_offset");
        if (offset == nullptr || !offset->is_number_unsigned() || *offset >= period)
            refuse("attn_layer_offset", fmt::format("no number below the period of {}", period));
        auto const first = offset->get<std::uint64_t>();
        return by_index([&](std::uint64_t i) { return i % period == first ? full : state; });
    }
    std::vector<LayerKind> of_indices(Json const& indices) const {
        for (auto const& index : indices)
            if (!index.is_number_unsigned() || index >= layers_)
                refuse("attn_layer_indices", fmt::format("there is no layer {}", excerpt(index.dump())));
        return by_index([&](std::uint64_t i) {
            return std::find(indices.begin(), indices.end(), Json(i)) == indices.end() ? state : full;
        });
    }
    std::vector<LayerKind> of_chunks() const {
        if (auto const* const rope = list("no_rope_layers")) {
            if (rope->size() != layers_)
                refuse("no_rope_layers", fmt::format("{} layers, not {}", rope->size(), layers_));
            return by_index([&](std::uint64_t i) { return (*rope)[i] == 0 ? full : chunk; });
        }
        auto const interval = keys_.number({"no_rope_layer_interval"});
        if (!interval && !is_among(chunk_types))
            refuse("attention_chunk_size", "nothing says which layers are cut into chunks",
                   {"layer_types", "no_rope_layers", "no_rope_layer_interval"});
        return every(interval.value_or(chunk_interval), chunk);
    }
    std::vector<LayerKind> of_windows() const {
        if (auto const* const pattern = keys_.find("sliding_window_pattern"); pattern != nullptr)
            return every(keys_.needed({"sliding_window_pattern"}), window);
        if (auto const interval = usual(window_intervals)) return every(*interval, window);
        if (keys_.is_true("use_sliding_window")) {
            auto const* const first = keys_.find("max_window_layers");
            if (first == nullptr || !first->is_number_unsigned())
                refuse("max_window_layers", "no number of layers before those with a window");
            return by_index([&](std::uint64_t i) { return *first > i ? full : window; });
        }
        if (is_among(window_everywhere)) return by_index([](std::uint64_t) { return window; });
        refuse("sliding_window",
               fmt::format("which layers of the model_type '{}' have it is not known", excerpt(type_)),
               {"layer_types", "sliding_window_pattern"});
    }

    ConfigKeys const& keys_;
    std::uint64_t layers_;
    std::string type_;
};

}  // namespace

std::vector<LayerKind> layer_kinds(ConfigKeys const& keys, std::uint64_t layers) { return Kinds(keys, layers).read(); }

}  // namespace kvstone
