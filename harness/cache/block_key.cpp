#include "harness/cache/block_key.hpp"

#include <algorithm>

#include "scenarios/content_hash.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

BlockKey root_key(KeyNamespace const& names) {
    Json const line = {{"source", names.source},   {"element_type", names.element_type},
                       {"layout", names.layout},   {"codec", names.codec},
                       {"formats", names.formats}, {"block_tokens", names.block_tokens},
                       {"salt", names.salt}};
    auto const text = line.dump();
    return sha256_bytes_of(std::as_bytes(std::span(text)));
}

BlockKey next_key(BlockKey const& parent, std::span<std::uint32_t const> tokens) {
    thread_local std::vector<std::byte> text;
    text.resize(parent.size() + sizeof(std::uint32_t) * tokens.size());
    std::memcpy(text.data(), parent.data(), parent.size());
    auto* at = text.data() + parent.size();
    for (auto const token : tokens)
        for (unsigned shift = 0; shift < 32; shift += 8) *at++ = static_cast<std::byte>(token >> shift);
    return sha256_bytes_of(text);
}

std::vector<BlockKey> block_keys(BlockKey const& root, std::span<std::uint32_t const> tokens,
                                 std::uint64_t block_tokens) {
    std::vector<BlockKey> keys;
    for (std::size_t at = 0; at < tokens.size(); at += block_tokens)
        keys.push_back(next_key(keys.empty() ? root : keys.back(),
                                tokens.subspan(at, std::min<std::size_t>(block_tokens, tokens.size() - at))));
    return keys;
}

}  // namespace kvstone
