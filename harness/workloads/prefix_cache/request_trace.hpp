#pragma once
// Requests to a prefix cache, in the order in which they came.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

struct TraceRequest {
    std::int64_t time_ns = 0;
    std::uint64_t tokens = 0;  ///< of the prompt
    std::uint64_t first = 0;   ///< of its blocks in RequestTrace::blocks
    std::uint64_t blocks = 0;
};

/// Blocks are numbered from 0. Numbers are chained: a number stands for its block's tokens and for all tokens before
/// them, so it has one parent, and one place in every request that has it.
struct RequestTrace {
    std::uint64_t block_tokens = 0;
    std::vector<TraceRequest> requests;
    std::vector<std::uint64_t> blocks;  ///< of all requests, one after the other
    std::uint64_t distinct = 0;
    std::uint64_t repeated_tokens = 0;  ///< in blocks of earlier requests: the hits of an unbounded cache
    /// Tokens that continue a block of an earlier request at the same place, too few to fill a block. Only where the
    /// tokens are known: ids of blocks do not show it.
    std::optional<std::uint64_t> shared_below_block = {};

    std::span<std::uint64_t const> blocks_of(TraceRequest const& request) const {
        return std::span(blocks).subspan(request.first, request.blocks);
    }
};

/// Reads at most this many requests (0: all) of a file. Its first line decides the format:
/// - Mooncake: a JSON object a line, {"timestamp": ms, "input_length": tokens, "output_length": tokens, "hash_ids":
///   [...]}, an id for each 512 tokens;
/// - Qwen-Bailian: the same with chat_id, parent_chat_id, type and turn; timestamp in seconds, an id for each 16 tokens;
/// - ours, a name that ends with .yaml: {block_tokens: 16, requests: [{time: 0.5 s, tokens: 40, blocks: [0, 7, 9]}, ...]}.
/// The last block may be partial; a request may leave out the id of a partial block. Throws ConfigError naming file and
/// line: no such object, no whole numbers, more or fewer ids than the tokens have blocks, an id with another parent
/// than before, times that decrease.
RequestTrace read_trace(std::string const& path, std::uint64_t most_requests = 0);

/// The same for files that are known to have lines, or to be YAML, under any name.
RequestTrace read_line_trace(std::string const& path, std::uint64_t most_requests = 0);
RequestTrace read_yaml_trace(std::string const& path, std::uint64_t most_requests = 0);

/// The same from the folder of captures, where this content was read before; `sha256` is its hash.
RequestTrace read_kept_trace(std::string const& path, std::string const& sha256, std::uint64_t most_requests = 0);

/// For each position in `blocks`, the next position of the same block, or never_again.
std::vector<std::uint64_t> next_uses(RequestTrace const& trace);

/// The trace with an entry for each layer of a block: as many requests, `layers` times the blocks.
RequestTrace with_layers(RequestTrace const& trace, std::uint64_t layers);

}  // namespace kvstone
