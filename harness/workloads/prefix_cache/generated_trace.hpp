#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/cache/block_key.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

/// What drawn requests look like. Every token is a function of the seed and of what it belongs to.
struct GeneratedTrace {
    std::string kind = "rotation";  ///< see generator_names()
    std::uint64_t requests = 50;
    std::uint64_t prompts = 5;          ///< texts that several requests begin with
    std::uint64_t prompt_tokens = 512;  ///< of each
    std::uint64_t own_tokens = 0;       ///< of each request, behind what it begins with
    std::uint64_t answer_tokens = 0;    ///< chat: of each answer, which the next turn begins with
    std::uint64_t turns = 5;            ///< chat: requests of a conversation
    std::uint64_t users = 8;            ///< chat: conversations at a time
    double zipf_exponent = 1;           ///< prompt r, from 1, is drawn with a weight of r^-exponent
    std::uint64_t seed = 0;
    std::int64_t interval_ns = 1'000'000'000;  ///< between two requests
};

/// - rotation: prompts take turns (study D: 50 requests, 5 prompts);
/// - zipf: prompts are drawn, the first most often;
/// - chat: a conversation begins with a prompt, drawn as of zipf, and each turn asks with all that was said before; the
///   user who speaks is drawn, each as likely.
std::vector<std::string> const& generator_names();

/// Tokens are cut into blocks and hashed below the root, as a cache does. REQUIRES: a name, and at least one request, prompt,
/// token, turn and user.
RequestTrace generate_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens, BlockKey const& root);

/// The same from the folder of captures, where it was drawn before: the root decides about keys, not about numbers.
RequestTrace kept_generated_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens);

}  // namespace kvstone
