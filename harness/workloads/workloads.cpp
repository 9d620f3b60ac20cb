#include <map>
#include <mutex>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/engine/gguf_cache.hpp"
#include "harness/workloads/append/append.hpp"
#include "harness/workloads/attention/attention.hpp"
#include "harness/workloads/attention_decode/attention_decode.hpp"
#include "harness/workloads/dropping.hpp"
#include "harness/workloads/entropy/entropy.hpp"
#include "harness/workloads/growing_cache.hpp"
#include "harness/workloads/inspect/inspect.hpp"
#include "harness/workloads/model/model.hpp"
#include "harness/workloads/model_options.hpp"
#include "harness/workloads/prefix_cache/prefix_cache.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"
#include "harness/workloads/roundtrip/cycles.hpp"
#include "harness/workloads/roundtrip/roundtrip.hpp"
#include "harness/workloads/tasks/tasks.hpp"
#include "harness/workloads/tasks/tasks_options.hpp"
#include "harness/workloads/tier/tier.hpp"
#include "harness/workloads/tier/tier_options.hpp"
#include "harness/workloads/workload.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

namespace {

/// Tokens that a policy sees which drops some of them. Texts of workload tasks end with a sentence, wherever that is.
std::optional<std::uint64_t> prompt_of(Cell const& cell) {
    if (cell.context == 0) return std::nullopt;
    if (cell.workload == "model") return cell.context;
    return cell.workload == "attention" ? attention_prompt(cell.context, cell.options) : std::nullopt;
}

}  // namespace

std::vector<Workload> const& workloads() {
    static std::vector<Workload> const all{
        {"roundtrip", "encode and decode K and V as whole tensors: bytes, tensor error, speed", run_roundtrip, {}},
        {"cycles", "encode and decode ten times in a row: the error that repeated compression adds", run_cycles, {}},
        {"entropy",
         "bounds of coders of order 0: entropies of the input of a codec's entropy stages",
         run_entropy,
         {},
         nullptr,
         {},
         nullptr,
         coded_values},
        {"inspect",
         "K before and after RoPE and V, without a codec: spread of channels, principal components, repeated rows",
         run_inspect,
         {},
         nullptr,
         {.k_prerope = true},
         nullptr,
         [](std::string const&) { return std::string(); }},
        {"append",
         "serving's shape: one token a step to each sequence of a batch, pages read back",
         run_append,
         {},
         nullptr,
         {},
         append_skips},
        {"attention",
         "a codec's effect on attention: logits, KL of the softmax, output, the 8 most attended tokens",
         run_attention,
         attention_options(),
         nullptr,
         {.q = true},
         attention_skips,
         nullptr,
         nullptr,
         true},
        {"attention_decode",
         "one step of decoding over a codec's stored bytes, decoded inside the kernel: time, bytes read, speed-ups",
         run_attention_decode,
         attention_decode_options(),
         nullptr,
         {.q = true},
         attention_decode_skips},
        {"model",
         "a model's answers with the codec in its cache: perplexity, KLD, top-1, greedy decoding",
         run_model,
         model_options(),
         nullptr,
         {.k = false, .v = false},
         protocol_skips,
         nullptr,
         longest_model_context,
         true},
        {"tasks",
         "multiple choice and recall behind a compressed text: accuracy beside that of the plain cache",
         run_tasks,
         tasks_options(),
         check_tasks,
         {},
         protocol_skips,
         nullptr,
         nullptr,
         true},
        {"prefix_cache",
         "hits of a cache of prefixes under a trace of requests, with as many entries as a budget of bytes holds",
         run_prefix_cache, prefix_cache_options(), check_prefix_cache},
        {"tier",
         "a cache of prefixes in memory and on disk: hits of each tier, costs of coding between them",
         run_tier,
         tier_options(),
         check_tier,
         {},
         tier_skips}};
    return all;
}

Workload const& workload_named(std::string const& name) {
    std::vector<std::string> names;
    for (auto const& workload : workloads()) {
        if (workload.name == name) return workload;
        names.push_back(workload.name);
    }
    throw ConfigError("no such workload", name, names);
}

std::string skip_reason(Cell const& cell) {
    auto const& workload = workload_named(cell.workload);
    bool const codec_matters = workload.measures == nullptr || !workload.measures(cell.codec).empty();
    if (!codec_matters) return {};
    auto const codec = Codec::parse(cell.codec);
    if (codec.selection()) try {
            check_dropping(codec, cell, prompt_of(cell));
        } catch (NotApplicable const& error) {
            return error.what();
        }
    return workload.skips == nullptr ? std::string() : workload.skips(codec, cell.options);
}

std::optional<ContextLimit> longest_context(Cell const& cell) {
    if (cell.context == 0 || cell.source.value("kind", "") != "model") return std::nullopt;
    // Asked for every cell of a plan, of few models.
    static std::mutex mutex;
    static std::map<std::string, std::uint64_t> known;
    auto const path = cell.locator.at("path").get<std::string>();
    std::scoped_lock const lock(mutex);
    auto const [of, added] = known.try_emplace(path);
    if (added) of->second = trained_tokens_of(path);
    auto const trained = of->second;
    if (trained == 0) return std::nullopt;
    auto const& workload = workload_named(cell.workload);
    auto const most = workload.longest_context == nullptr ? trained : workload.longest_context(trained, cell.options);
    return ContextLimit{
        most, fmt::format(
                  "{}: the model was trained on contexts of {} tokens{}", path, trained,
                  most == trained ? "" : fmt::format(", and workload {} reads on behind its context", cell.workload))};
}

}  // namespace kvstone
