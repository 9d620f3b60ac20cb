#include "harness/sources/model_cache.hpp"

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {

std::uint64_t ModelCache::growth_values() const {
    std::uint64_t values = 0;
    for (auto const& layer : cached)
        if (layer.most_tokens == 0) values += layer.values_a_token();
    return values;
}

std::uint64_t ModelCache::window_values(std::uint64_t context) const {
    std::uint64_t values = 0;
    for (auto const& layer : cached)
        if (layer.most_tokens != 0) values += layer.values_a_token() * layer.tokens_of(context);
    return values;
}

std::uint64_t ModelCache::state_values() const {
    std::uint64_t values = 0;
    for (auto const& state : states) values += state.values();
    return values;
}

ModelCache share_of(ModelCache cache, std::uint64_t devices) {
    auto const share = [&](std::uint64_t heads, char const* what) -> std::uint64_t {
        if (heads % devices == 0) return heads / devices;
        if (devices % heads == 0) return 1;
        throw ConfigError(fmt::format("{} {} of {} do not come out even", heads, what, cache.name),
                          fmt::format("{} devices", devices), {"a divisor of the heads", "a multiple of the heads"});
    };
    for (auto& layer : cache.cached) layer.kv_heads = share(layer.kv_heads, "KV heads");
    for (auto& state : cache.states) {
        state.heads = share(state.heads, "heads of a state");
        state.groups = share(state.groups, "groups of a state");
    }
    return cache;
}

}  // namespace kvstone
