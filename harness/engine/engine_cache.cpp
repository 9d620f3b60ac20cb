#include "harness/engine/engine_cache.hpp"

#include <ggml.h>

#include "harness/files/llama_cache.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

LlamaCache cache_of(std::span<std::byte const> state, std::string const& model) {
    auto cache = read_llama_cache(state, 0, model);
    if (cache.end != state.size())
        throw ConfigError(model + ": the engine keeps several caches for this model, whose bytes are not told apart");
    return cache;
}

}  // namespace

StoredCache stored_cache(std::span<std::byte const> state, Component component, std::string const& model) {
    auto const cache = cache_of(state, model);
    StoredCache stored;
    stored.rotated_channels = cache.rotated_channels[component == Component::k ? 0 : 1];
    for (auto const& tensor : component == Component::k ? cache.k : cache.v) {
        if (tensor.type < 0 || tensor.type >= GGML_TYPE_COUNT)
            throw CorruptData(model + ": the engine's state has a type that this build does not know");
        auto const type = static_cast<ggml_type>(tensor.type);
        stored.type = ggml_type_name(type);
        stored.bytes += tensor.bytes();
        stored.values += tensor.bytes() / ggml_type_size(type) * static_cast<std::uint64_t>(ggml_blck_size(type));
    }
    return stored;
}

std::pair<std::size_t, std::size_t> stored_values(std::span<std::byte const> state, std::string const& model) {
    auto const cache = cache_of(state, model);
    return {cache.k.front().begin, cache.v.back().begin + cache.v.back().bytes()};
}

}  // namespace kvstone
