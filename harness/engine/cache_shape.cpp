#include "harness/engine/cache_shape.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <llama.h>

#include "harness/engine/engine.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// A whole number that the file states; `otherwise` where it states none.
std::uint64_t stated(Engine const& engine, std::string const& key, std::uint64_t otherwise) {
    auto const text = engine.metadata(engine.metadata("general.architecture") + "." + key);
    std::uint64_t value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

/// Of one number a layer, as in "[8, 8, 1]", whether they differ.
bool differ(std::string const& list) {
    auto const first = list.substr(1, list.find_first_of(",]") - 1);
    for (std::size_t at = list.find(", "); at != std::string::npos; at = list.find(", ", at + 1)) {
        auto const end = list.find_first_of(",]", at + 1);
        if (end != std::string::npos && list.substr(at + 2, end - at - 2) != first) return true;
    }
    return false;
}

}  // namespace

CacheShape cache_shape_of(std::string const& gguf) {
    Engine const engine(gguf);
    auto const architecture = engine.metadata("general.architecture");
    auto const refuse = [&](std::string const& what) {
        throw ConfigError(fmt::format("{}: {}: the content of its cache does not follow from its shape", gguf, what));
    };
    if (llama_model_is_recurrent(engine.model()) || llama_model_is_hybrid(engine.model()))
        refuse("a recurrent model (" + architecture + ")");
    if (stated(engine, "attention.kv_lora_rank", 0) != 0)
        refuse("a model with latent attention (" + architecture + ")");
    auto const kv_heads = engine.metadata(architecture + ".attention.head_count_kv");
    if (kv_heads.starts_with('[') && differ(kv_heads)) refuse("a model whose layers differ in KV heads");
    auto const dim = stated(engine, "embedding_length", 0) / std::max<std::uint64_t>(engine.heads(), 1);
    CacheShape shape{engine.layers(), engine.kv_heads(), stated(engine, "attention.key_length", dim),
                     stated(engine, "attention.value_length", dim), engine.trained_tokens()};
    if (auto const window = stated(engine, "attention.sliding_window", 0); window != 0)
        shape.note = fmt::format(
            "its layers with a sliding window may hold {} tokens each: bytes are of engines that keep all of them",
            window);
    if (shape.layers == 0 || shape.kv_heads == 0 || shape.k_dim == 0 || shape.v_dim == 0)
        refuse("a model without attention");
    return shape;
}

}  // namespace kvstone
