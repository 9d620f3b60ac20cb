#include "harness/engine/engine_cache.hpp"

#include <cstring>

#include <ggml.h>

#include "harness/files/llama_cache.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// States of a sequence in memory begin with this number and a word of flags; older ones begin with the cache.
constexpr std::uint32_t state_magic = 0xaf143cd8;
constexpr std::size_t state_head_bytes = 8;

LlamaCache cache_of(std::span<std::byte const> state, std::string const& model) {
    std::uint32_t first = 0;
    if (state.size() >= sizeof first) std::memcpy(&first, state.data(), sizeof first);
    auto cache = read_llama_cache(state, first == state_magic ? state_head_bytes : 0, model);
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

void spoil_values(std::span<std::byte> state, std::string const& model) {
    constexpr std::byte flipped{0x24};  // of numbers of 16 bits an exponent, of codes of 4 bits a middle one
    auto const cache = cache_of(state, model);
    for (auto const* all : {&cache.k, &cache.v})
        for (auto const& tensor : *all)
            for (auto& byte : state.subspan(tensor.begin, tensor.bytes())) byte ^= flipped;
}

}  // namespace kvstone
