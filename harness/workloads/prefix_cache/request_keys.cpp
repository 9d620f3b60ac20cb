#include "harness/workloads/prefix_cache/request_keys.hpp"

#include <algorithm>

namespace kvstone {

void BlockTokens::append(std::uint64_t block, std::vector<std::uint32_t>& tokens) const {
    auto const stream = hash_of(block);
    for (std::uint64_t i = 0; i < block_tokens_; ++i)
        tokens.push_back(static_cast<std::uint32_t>(hash_of(stream + i) % vocabulary_));
}

std::vector<std::uint32_t> BlockTokens::of(RequestTrace const& trace, TraceRequest const& request) const {
    std::vector<std::uint32_t> tokens;
    tokens.reserve((request.blocks + 1) * block_tokens_);
    for (auto const block : trace.blocks_of(request)) append(block, tokens);
    if (tokens.size() < request.tokens) {
        append(unnamed, tokens);
        tokens.resize(request.tokens);
    }
    return tokens;
}

std::vector<BlockKey> request_keys(BlockKey const& root, RequestTrace const& trace, TraceRequest const& request,
                                   BlockTokens const& tokens, std::uint64_t layers) {
    thread_local std::vector<std::uint32_t> block_text;
    std::vector<BlockKey> keys;
    keys.reserve(request.blocks * layers);
    auto key = root;
    for (auto const block : trace.blocks_of(request)) {
        block_text.clear();
        tokens.append(block, block_text);
        key = next_key(key, block_text);
        if (layers == 1) {
            keys.push_back(key);
            continue;
        }
        for (std::uint32_t layer = 0; layer < layers; ++layer) keys.push_back(next_key(key, std::span(&layer, 1)));
    }
    return keys;
}

}  // namespace kvstone
