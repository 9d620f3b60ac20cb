#pragma once
// Names of blocks of tokens: chained SHA-256.

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

/// SHA-256 of everything up to the end of a block: h_i = SHA-256(h_(i-1) || tokens of block i as u32, little-endian).
using BlockKey = std::array<std::uint8_t, 32>;

/// Everything besides its tokens on which the stored bytes of a block depend. Two caches that differ in a member must
/// not find each other's blocks.
struct KeyNamespace {
    std::string source = {};        ///< hash of the weights, RoPE and all other facts that decide K and V
    std::string element_type = {};  ///< of K and V before they are coded
    std::string layout = {};        ///< order of the axes
    std::string codec = {};         ///< canonical text
    std::string formats = {};       ///< version of each stage's format
    std::uint64_t block_tokens = 0;
    std::string salt = {};  ///< separates users
};

/// h_(-1): SHA-256 of the members as one line of JSON.
BlockKey root_key(KeyNamespace const& names);
/// h_(-1) without a namespace: 32 zero bytes.
inline constexpr BlockKey plain_root_key{};

BlockKey next_key(BlockKey const& parent, std::span<std::uint32_t const> tokens);

/// Keys of the blocks of a text in their order, a last one that is not full included. REQUIRES: block_tokens > 0.
std::vector<BlockKey> block_keys(BlockKey const& root, std::span<std::uint32_t const> tokens,
                                 std::uint64_t block_tokens);

/// Hashes for tables. A key is as good as random already; numbers are mixed (the finaliser of SplitMix64).
inline std::uint64_t hash_of(BlockKey const& key) {
    std::uint64_t first = 0;
    std::memcpy(&first, key.data(), sizeof first);
    return first;
}
inline std::uint64_t hash_of(std::uint64_t key) {
    key += 0x9e3779b97f4a7c15U;
    key = (key ^ (key >> 30U)) * 0xbf58476d1ce4e5b9U;
    key = (key ^ (key >> 27U)) * 0x94d049bb133111ebU;
    return key ^ (key >> 31U);
}

}  // namespace kvstone
