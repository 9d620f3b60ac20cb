#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/cache/block_key.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

/// Parameters of drawn requests. Every token is a function of the seed and of its place.
struct GeneratedTrace {
    std::string kind = "rotation";  ///< see generator_names()
    std::uint64_t requests = 50;
    std::uint64_t prompts = 5;          ///< texts with which several requests begin
    std::uint64_t prompt_tokens = 512;  ///< of each
    std::uint64_t own_tokens = 0;       ///< of each request, behind its beginning
    std::uint64_t answer_tokens = 0;    ///< chat: of each answer, with which the next turn begins
    std::uint64_t turns = 5;            ///< chat: requests of a conversation
    std::uint64_t users = 8;            ///< chat: conversations at a time
    double zipf_exponent = 1;           ///< prompt r, from 1, is drawn with a weight of r^-exponent
    std::uint64_t seed = 0;
    std::int64_t interval_ns = 1'000'000'000;  ///< between two requests
};

/// - rotation: prompts take turns (study D: 50 requests, 5 prompts);
/// - zipf: prompts are drawn, the first most often;
/// - chat: a conversation begins with a prompt, drawn as in zipf, and each turn asks with the whole conversation before
///   it; the user is drawn, all equally likely.
std::vector<std::string> const& generator_names();

/// Tokens are cut into blocks and hashed below the root, as in a cache. REQUIRES: a known name, and at least one
/// request, prompt, token, turn and user.
RequestTrace generate_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens, BlockKey const& root);

/// The same from the folder of captures, where it was drawn before: the root changes keys, not numbers.
RequestTrace kept_generated_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens);

}  // namespace kvstone
