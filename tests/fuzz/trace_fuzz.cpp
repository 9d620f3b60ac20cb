// Traces of requests, a part of which was replaced: a trace that keeps its promises, or a ConfigError.
//
// Input: one byte that picks the format; the rest alters an example of it.

#include <cstdint>
#include <cstdlib>

#include "harness/workloads/prefix_cache/replay.hpp"
#include "scenarios/errors.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/spliced.hpp"

namespace kvstone {
namespace {

struct Example {
    RequestTrace (*read)(std::string const& path, std::uint64_t most_requests);
    std::string text;
};

Example const examples[] = {
    {read_line_trace,
     "{\"timestamp\": 0, \"input_length\": 1024, \"output_length\": 5, \"hash_ids\": [46, 47]}\n"
     "{\"timestamp\": 3000, \"input_length\": 1030, \"output_length\": 5, \"hash_ids\": [46, 47, 90]}\n\n"
     "{\"timestamp\": 3000, \"input_length\": 700, \"output_length\": 1, \"hash_ids\": [46]}\n"},
    {read_line_trace,
     "{\"chat_id\": 159, \"parent_chat_id\": -1, \"timestamp\": 61.114, \"input_length\": 41, \"output_length\": 3, "
     "\"type\": \"text\", \"turn\": 1, \"hash_ids\": [7, 8, 9]}\n"
     "{\"chat_id\": 160, \"parent_chat_id\": 159, \"timestamp\": 61.5, \"input_length\": 33, \"output_length\": 3, "
     "\"type\": \"text\", \"turn\": 2, \"hash_ids\": [7, 8]}\n"},
    {read_yaml_trace,
     "block_tokens: 4\nrequests:\n  - {time: 0.5 s, tokens: 9, blocks: [5, 6, 7]}\n  - {tokens: 8, blocks: [5, 6]}\n"
     "  - {time: 2 s, tokens: 3, blocks: 5}\n"}};

void require(bool holds) {
    if (!holds) std::abort();
}

void check(RequestTrace const& trace) {
    require(trace.block_tokens > 0 && !trace.requests.empty());
    std::uint64_t blocks = 0;
    std::int64_t time_ns = 0;
    for (auto const& request : trace.requests) {
        require(request.tokens > 0 && request.first == blocks && request.time_ns >= time_ns);
        require(request.blocks * trace.block_tokens < request.tokens + trace.block_tokens);
        time_ns = request.time_ns;
        blocks += request.blocks;
    }
    require(blocks == trace.blocks.size() && trace.distinct <= blocks);
    for (auto const block : trace.blocks) require(block < trace.distinct);
    auto const all = replay(trace, {});
    require(all.blocks.hits == blocks - trace.distinct && all.token_hits == trace.repeated_tokens);
    auto const few = replay(trace, {.policy = "belady", .capacity = 2});
    require(few.blocks.hits <= all.blocks.hits && few.blocks.writes == few.entries_held + few.blocks.evictions);
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    if (size == 0) return 0;
    auto const& example = examples[data[0] % std::size(examples)];
    MemoryFile const file(spliced(example.text, data + 1, size - 1));
    try {
        check(example.read(file.path(), data[0] / 4 % 4));
    } catch (ConfigError const&) {
        if (size - 1 < least_altering) throw;
    }
    return 0;
}
