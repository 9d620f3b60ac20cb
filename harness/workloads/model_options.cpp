#include "harness/workloads/model_options.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_tokens = std::uint64_t{1} << 24;
constexpr std::uint64_t most_passages = 1'000'000;

}  // namespace

WorkloadOption protocol_option() {
    return {"protocol",
            WorkloadOption::Kind::choice,
            {},
            {"context", "inline", "decode"},
            0,
            0,
            "when the codec codes the K and V that the model writes"};
}
WorkloadOption prefill_option() {
    return {"prefill",
            WorkloadOption::Kind::choice,
            "clean",
            {"clean", "compressed"},
            0,
            0,
            "protocol decode: how the context is read before it is coded"};
}

std::vector<WorkloadOption> model_options() {
    using enum WorkloadOption::Kind;
    return {protocol_option(),
            {"continuation", tokens, 0, {}, 0, most_tokens, "tokens scored behind the context; 0: as many as it has"},
            {"passages", number, default_passages, {}, 1, most_passages, "of the text, at most"},
            {"document",
             text,
             "",
             {},
             0,
             0,
             "the words that the first line of a document begins with; else the text is cut evenly"},
            prefill_option()};
}

std::uint64_t longest_model_context(std::uint64_t trained_tokens, Json const& options) {
    auto const continuation = options.value("continuation", std::uint64_t{0});
    if (continuation == 0) return trained_tokens / 2;  // as many tokens as the context has
    return trained_tokens > continuation ? trained_tokens - continuation : 0;
}

}  // namespace kvstone
