#include "harness/engine/gguf_cache.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>

#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_layers = 4096;

/// The engine's rule for architectures whose files do not say which layers have a window: the last of every n has none.
struct Interval {
    std::string_view architecture;
    std::uint64_t layers;
};
constexpr Interval window_intervals[] = {{"gemma2", 2}, {"gemma3", 6}, {"gpt-oss", 2}, {"cohere2", 4}};
/// Likewise of Llama 4, whose files do not have the chunk's length either.
constexpr std::uint64_t llama4_interval = 4;
constexpr std::uint64_t llama4_chunk = 8192;

constexpr std::string_view understood[] = {"attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.value_length",
                                           "attention.key_length_swa",
                                           "attention.value_length_swa",
                                           "attention.key_length_mla",
                                           "attention.value_length_mla",
                                           "attention.kv_lora_rank",
                                           "attention.sliding_window",
                                           "attention.sliding_window_pattern",
                                           "attention.shared_kv_layers",
                                           "ssm.conv_kernel",
                                           "ssm.inner_size",
                                           "ssm.state_size",
                                           "ssm.time_step_rank",
                                           "ssm.group_count",
                                           "kda.head_dim"};
constexpr std::string_view harmless[] = {"attention.max_alibi_bias",
                                         "attention.clamp_kqv",
                                         "attention.layer_norm_epsilon",
                                         "attention.layer_norm_rms_epsilon",
                                         "attention.group_norm_epsilon",
                                         "attention.group_norm_groups",
                                         "attention.causal",
                                         "attention.q_lora_rank",
                                         "attention.scale",
                                         "attention.output_scale",
                                         "attention.temperature_length",
                                         "attention.temperature_scale",
                                         "ssm.dt_b_c_rms"};
constexpr std::string_view telling[] = {"attention.", "ssm.", "kda.", "wkv.", "shortconv.", "indexer.", "token_shift"};

bool is_among(auto const& names, std::string_view name) { return std::ranges::find(names, name) != std::end(names); }

struct Free {
    void operator()(gguf_context* file) const { gguf_free(file); }
};
using File = std::unique_ptr<gguf_context, Free>;

File open_gguf(std::string const& path) {
    auto const bytes = map_file(path);
    if (bytes.size < 4 || std::memcmp(bytes.bytes.get(), "GGUF", 4) != 0)
        throw CorruptData(path + ": not a GGUF file: it does not begin with GGUF");
    ggml_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    File file(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
    if (file == nullptr) throw CorruptData(path + ": a GGUF file that is broken or cut off");
    return file;
}

std::optional<std::uint64_t> whole(gguf_type type, void const* data, std::size_t index) {
    auto const as = [&]<class T>(T) -> std::optional<std::uint64_t> {
        T value{};
        std::memcpy(&value, static_cast<char const*>(data) + index * sizeof(T), sizeof(T));
        if constexpr (std::is_signed_v<T>)
            if (value < 0) return {};
        return static_cast<std::uint64_t>(value);
    };
    switch (type) {
        case GGUF_TYPE_UINT8:
        case GGUF_TYPE_BOOL:
            return as(std::uint8_t{});
        case GGUF_TYPE_INT8:
            return as(std::int8_t{});
        case GGUF_TYPE_UINT16:
            return as(std::uint16_t{});
        case GGUF_TYPE_INT16:
            return as(std::int16_t{});
        case GGUF_TYPE_UINT32:
            return as(std::uint32_t{});
        case GGUF_TYPE_INT32:
            return as(std::int32_t{});
        case GGUF_TYPE_UINT64:
            return as(std::uint64_t{});
        case GGUF_TYPE_INT64:
            return as(std::int64_t{});
        default:
            return {};
    }
}

class GgufReader {
  public:
    explicit GgufReader(std::string const& path) : path_(path), file_(open_gguf(path)) {
        auto const key = gguf_find_key(file_.get(), "general.architecture");
        if (key < 0 || gguf_get_kv_type(file_.get(), key) != GGUF_TYPE_STRING)
            throw ConfigError(path + ": no general.architecture");
        architecture_ = gguf_get_val_str(file_.get(), key);
        add_tensors(file_.get());
        open_other_parts();
    }

    ModelCache read() {
        refuse_what_is_not_understood();
        auto const layers = needed("block_count", most_layers);
        ModelCache cache;
        cache.name = cache.source = path_;
        cache.max_tokens = number("context_length").value_or(0);
        cache.shared = number("attention.shared_kv_layers").value_or(0);
        if (cache.shared >= layers) refuse("attention.shared_kv_layers", "as many as there are layers");
        auto const interval = number("full_attention_interval");
        if (interval && *interval == 0) refuse("full_attention_interval", "no number from 1 on");
        std::uint64_t drafting = 0;
        for (std::uint64_t i = 0; i < layers; ++i) {
            if (has(i, "nextn.eh_proj")) {
                ++drafting;
                continue;
            }
            ++cache.layers;
            if (has(i, "time_mix_key") || has(i, "shortconv.conv"))
                refuse("block_count", fmt::format("layer {} is of a kind that is not known here", i));
            bool const state = has(i, "ssm_conv1d") || has(i, "ssm_conv1d_q");
            bool const attention = has(i, "attn_k") || has(i, "attn_kv_a_mqa") || (has(i, "attn_qkv") && !state);
            if (interval && attention != ((i + 1) % *interval == 0))
                refuse("full_attention_interval", fmt::format("the tensors of layer {} say otherwise", i));
            if (state) cache.states.push_back(layer_state());
            if (attention && i < layers - cache.shared) cache.cached.push_back(layer(i, layers));
        }
        if (cache.cached.empty() && cache.states.empty())
            refuse("block_count", "no layer has tensors of attention or of a state");
        if (drafting > 0)
            cache.notes.push_back(fmt::format(
                "nextn_predict_layers: {} not counted; an engine that drafts with them keeps as many more layers",
                drafting));
        return cache;
    }

  private:
    [[noreturn]] void refuse(std::string const& key, std::string const& why) const {
        throw ConfigError(fmt::format("{}: {}.{}: {}", path_, excerpt(architecture_), excerpt(key), why));
    }
    std::int64_t find(std::string const& key) const {
        return gguf_find_key(file_.get(), (architecture_ + "." + key).c_str());
    }
    std::optional<std::uint64_t> at(std::string const& key, std::uint64_t layer) const {
        auto const id = find(key);
        if (id < 0) return {};
        auto const type = gguf_get_kv_type(file_.get(), id);
        auto const is_list = type == GGUF_TYPE_ARRAY;
        if (is_list && layer >= gguf_get_arr_n(file_.get(), id)) refuse(key, fmt::format("nothing of layer {}", layer));
        auto const value = is_list && gguf_get_arr_type(file_.get(), id) != GGUF_TYPE_STRING
                               ? whole(gguf_get_arr_type(file_.get(), id), gguf_get_arr_data(file_.get(), id), layer)
                           : is_list || type == GGUF_TYPE_STRING ? std::nullopt
                                                                 : whole(type, gguf_get_val_data(file_.get(), id), 0);
        if (!value || *value > std::uint64_t{1} << 40) refuse(key, "no whole number");
        return value;
    }
    std::optional<std::uint64_t> number(std::string const& key) const {
        if (auto const id = find(key); id >= 0 && gguf_get_kv_type(file_.get(), id) == GGUF_TYPE_ARRAY)
            refuse(key, "a list, not one number");
        return at(key, 0);
    }
    std::uint64_t needed(std::string const& key, std::uint64_t most = std::uint64_t{1} << 24) const {
        auto const value = number(key);
        if (!value) refuse(key, "missing");
        if (*value == 0 || *value > most) refuse(key, fmt::format("no number from 1 to {}", most));
        return *value;
    }
    bool is_list(std::string const& key) const {
        auto const id = find(key);
        return id >= 0 && gguf_get_kv_type(file_.get(), id) == GGUF_TYPE_ARRAY;
    }

    void add_tensors(gguf_context const* file) {
        for (std::int64_t i = 0; i < gguf_get_n_tensors(file); ++i) tensors_.insert(gguf_get_tensor_name(file, i));
    }
    /// Each part of a file that was split names its own tensors alone.
    void open_other_parts() {
        auto const key = gguf_find_key(file_.get(), "split.count");
        if (key < 0) return;
        if (auto const type = gguf_get_kv_type(file_.get(), key); type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY)
            throw ConfigError(path_ + ": split.count is no number");
        auto const parts = whole(gguf_get_kv_type(file_.get(), key), gguf_get_val_data(file_.get(), key), 0);
        if (!parts || *parts <= 1 || *parts > most_layers) return;
        // NAME-00001-of-00003.gguf
        constexpr std::size_t ending = std::string_view("-00001-of-00003.gguf").size();
        if (path_.size() < ending)
            throw ConfigError(path_ + ": one of several parts, under a name that is none of a part");
        auto const stem = path_.substr(0, path_.size() - ending);
        for (std::uint64_t part = 1; part <= *parts; ++part)
            add_tensors(open_gguf(fmt::format("{}-{:05}-of-{:05}.gguf", stem, part, *parts)).get());
    }
    bool has(std::uint64_t layer, std::string_view tensor) const {
        auto const name = fmt::format("blk.{}.{}", layer, tensor);
        return tensors_.contains(name + ".weight") || tensors_.contains(name);
    }

    void refuse_what_is_not_understood() const {
        auto const beginning = architecture_ + ".";
        for (std::int64_t i = 0; i < gguf_get_n_kv(file_.get()); ++i) {
            std::string_view key = gguf_get_key(file_.get(), i);
            if (!key.starts_with(beginning)) continue;
            key.remove_prefix(beginning.size());
            if (is_among(understood, key) || is_among(harmless, key)) continue;
            if (std::ranges::none_of(telling, [&](auto word) { return key.find(word) != std::string_view::npos; }))
                continue;
            refuse(std::string(key), "may change the content of the cache, and is not understood here");
        }
    }

    /// Tokens that a layer keeps; 0: all.
    std::uint64_t window(std::uint64_t layer) const {
        if (architecture_ == "llama4") return (layer + 1) % llama4_interval == 0 ? 0 : llama4_chunk;
        auto const tokens = number("attention.sliding_window").value_or(0);
        if (tokens == 0) return 0;
        if (is_list("attention.sliding_window_pattern"))
            return at("attention.sliding_window_pattern", layer).value_or(0) != 0 ? tokens : 0;
        auto interval = number("attention.sliding_window_pattern");
        if (auto const usual = std::ranges::find(window_intervals, architecture_, &Interval::architecture);
            !interval && usual != std::end(window_intervals))
            interval = usual->layers;
        if (!interval || *interval == 0)
            refuse("attention.sliding_window", "which layers have it is not known of this architecture");
        return (layer + 1) % *interval == 0 ? 0 : tokens;
    }

    CachedLayer layer(std::uint64_t index, std::uint64_t layers) const {
        if (architecture_ == "gemma3n" && find("attention.shared_kv_layers") < 0)
            refuse("attention.shared_kv_layers", "missing");
        if (number("attention.kv_lora_rank").value_or(0) != 0) {
            if (find("attention.key_length_mla") < 0)
                refuse("attention.key_length_mla", "missing: an older file, whose engine keeps K and V of every head");
            return {1, needed("attention.kv_lora_rank") + needed("rope.dimension_count"), 0, window(index)};
        }
        if (layers > most_layers) refuse("block_count", "too many layers");
        auto const heads = at("attention.head_count", index);
        if (!heads || *heads == 0) refuse("attention.head_count", "missing");
        CachedLayer layer{at("attention.head_count_kv", index).value_or(*heads), 0, 0, window(index)};
        if (layer.kv_heads == 0 || layer.kv_heads > *heads)
            refuse("attention.head_count_kv", fmt::format("{} of layer {}", layer.kv_heads, index));
        auto const dim = number("embedding_length").value_or(0) / *heads;
        layer.k_dim = at("attention.key_length", index).value_or(dim);
        layer.v_dim = at("attention.value_length", index).value_or(dim);
        if (layer.most_tokens != 0) {
            layer.k_dim = number("attention.key_length_swa").value_or(layer.k_dim);
            layer.v_dim = number("attention.value_length_swa").value_or(layer.v_dim);
        }
        constexpr std::uint64_t most_dim = 1 << 16;
        if (layer.k_dim == 0 || layer.v_dim == 0 || layer.k_dim > most_dim || layer.v_dim > most_dim)
            refuse("attention.key_length", "no length of K and V, and no embedding_length in its place");
        return layer;
    }

    LayerState layer_state() const {
        auto const inputs = needed("ssm.conv_kernel") - 1;
        if (find("kda.head_dim") >= 0) {
            auto const dim = needed("kda.head_dim");
            auto const heads = at("attention.head_count", 0).value_or(0);
            if (heads == 0) refuse("attention.head_count", "missing");
            return {heads, dim * (dim + 3 * inputs), 0, 0};
        }
        auto const inner = needed("ssm.inner_size");
        auto const state = needed("ssm.state_size");
        auto const groups = number("ssm.group_count").value_or(0);
        if (groups == 0) return {inner, state + inputs, 0, 0};  // Mamba: every channel by itself
        auto const heads = needed("ssm.time_step_rank");
        if (inner % heads != 0) refuse("ssm.inner_size", fmt::format("{} channels in {} heads", inner, heads));
        // Mamba-2, and gated delta nets, whose keys are as long as the state is.
        return {heads, inner / heads * (state + inputs), groups, 2 * state * inputs};
    }

    std::string path_;
    File file_;
    std::string architecture_;
    std::set<std::string> tensors_;
};

}  // namespace

ModelCache read_gguf_cache(std::string const& path) { return GgufReader(path).read(); }

std::string weights_type_of(std::string const& path) {
    auto const file = open_gguf(path);
    std::map<ggml_type, std::uint64_t> bytes;
    for (std::int64_t i = 0; i < gguf_get_n_tensors(file.get()); ++i)
        bytes[gguf_get_tensor_type(file.get(), i)] += gguf_get_tensor_size(file.get(), i);
    if (bytes.empty()) return "?";
    return ggml_type_name(std::ranges::max_element(bytes, {}, [](auto const& one) { return one.second; })->first);
}

std::uint64_t trained_tokens_of(std::string const& path) {
    try {
        auto const file = open_gguf(path);
        auto const name = gguf_find_key(file.get(), "general.architecture");
        if (name < 0 || gguf_get_kv_type(file.get(), name) != GGUF_TYPE_STRING) return 0;
        auto const key =
            gguf_find_key(file.get(), fmt::format("{}.context_length", gguf_get_val_str(file.get(), name)).c_str());
        if (key < 0) return 0;
        auto const type = gguf_get_kv_type(file.get(), key);
        if (type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY) return 0;
        return whole(type, gguf_get_val_data(file.get(), key), 0).value_or(0);
    } catch (std::exception const&) {
        return 0;
    }
}

}  // namespace kvstone
