// Traces in the folder of captures, as numbers: a grid of codecs, budgets and policies reads the text once.

#include <cstring>
#include <filesystem>

#include "harness/cache/eviction_policy.hpp"
#include "harness/captures/capture_cache.hpp"
#include "harness/workloads/prefix_cache/generated_trace.hpp"

namespace kvstone {
namespace {

/// Of the bytes below, of the results of read_trace(), and of drawn requests.
constexpr int format = 1;

/// In front of requests and blocks.
struct Head {
    std::uint64_t block_tokens;
    std::uint64_t distinct;
    std::uint64_t repeated_tokens;
    std::uint64_t shared_below_block;  ///< never_again: not known
    std::uint64_t requests;
    std::uint64_t blocks;
};

std::vector<std::byte> bytes_of(RequestTrace const& trace) {
    Head const head{.block_tokens = trace.block_tokens,
                    .distinct = trace.distinct,
                    .repeated_tokens = trace.repeated_tokens,
                    .shared_below_block = trace.shared_below_block.value_or(never_again),
                    .requests = trace.requests.size(),
                    .blocks = trace.blocks.size()};
    auto const requests = std::as_bytes(std::span(trace.requests));
    auto const blocks = std::as_bytes(std::span(trace.blocks));
    std::vector<std::byte> bytes(sizeof head + requests.size() + blocks.size());
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + sizeof head, requests.data(), requests.size());
    std::memcpy(bytes.data() + sizeof head + requests.size(), blocks.data(), blocks.size());
    return bytes;
}

/// REQUIRES: bytes_of() made them; their file's key and checksum were looked at.
RequestTrace trace_from(std::span<std::byte const> bytes) {
    Head head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    RequestTrace trace;
    trace.block_tokens = head.block_tokens;
    trace.distinct = head.distinct;
    trace.repeated_tokens = head.repeated_tokens;
    if (head.shared_below_block != never_again) trace.shared_below_block = head.shared_below_block;
    trace.requests.resize(head.requests);
    trace.blocks.resize(head.blocks);
    auto const requests = std::as_writable_bytes(std::span(trace.requests));
    auto const blocks = std::as_writable_bytes(std::span(trace.blocks));
    std::memcpy(requests.data(), bytes.data() + sizeof head, requests.size());
    std::memcpy(blocks.data(), bytes.data() + sizeof head + requests.size(), blocks.size());
    return trace;
}

template <class Make>
RequestTrace kept(Json key, Make const& make) {
    key["format"] = format;
    return trace_from(cached_bytes(capture_folder(), key, false, [&] { return bytes_of(make()); }).bytes);
}

}  // namespace

RequestTrace read_kept_trace(std::string const& path, std::string const& sha256, std::uint64_t most_requests) {
    // A name's ending tells the format of a text.
    return kept(
        {{"trace", sha256}, {"ending", std::filesystem::path(path).extension().string()}, {"requests", most_requests}},
        [&] { return read_trace(path, most_requests); });
}

RequestTrace kept_generated_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens) {
    return kept({{"trace", wanted.kind},
                 {"requests", wanted.requests},
                 {"prompts", wanted.prompts},
                 {"prompt_tokens", wanted.prompt_tokens},
                 {"own_tokens", wanted.own_tokens},
                 {"answer_tokens", wanted.answer_tokens},
                 {"turns", wanted.turns},
                 {"users", wanted.users},
                 {"zipf_exponent", wanted.zipf_exponent},
                 {"seed", wanted.seed},
                 {"interval_ns", wanted.interval_ns},
                 {"block_tokens", block_tokens}},
                [&] { return generate_trace(wanted, block_tokens, plain_root_key); });
}

}  // namespace kvstone
