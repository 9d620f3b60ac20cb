#include "harness/workloads/prefix_cache/trace_options.hpp"

#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_requests = 100'000'000;
constexpr std::uint64_t most_tokens = std::uint64_t{1} << 24;
constexpr std::uint64_t most_texts = 1'000'000;
GeneratedTrace const drawn;  // its defaults

constexpr char const* generator_only[] = {"generate", "prompts", "prompt_tokens", "own_tokens", "answer_tokens",
                                          "turns",    "users",   "zipf_exponent", "seed",       "interval"};
constexpr char const* chat_only[] = {"answer_tokens", "turns", "users"};

[[noreturn]] void refuse(std::string const& what, std::string const& option, std::vector<std::string> accepted) {
    throw ConfigError(what, option, std::move(accepted));
}

std::string trace_path(Json const& locator) { return locator.value("files", Json::object()).value("trace", ""); }

/// Lists of policies and budgets make many entries of one trace: each content is read once.
void check_trace(Json const& options, Json const& locator) {
    static std::set<std::pair<std::string, std::uint64_t>> right;
    auto const most = options.value("requests", std::uint64_t{0});
    std::pair const wanted{options.at("trace").get<std::string>(), most};
    if (right.contains(wanted)) return;
    read_trace(trace_path(locator), most);
    right.insert(wanted);
}

}  // namespace

std::vector<WorkloadOption> trace_options() {
    using enum WorkloadOption::Kind;
    return {
        {"trace",
         file,
         "",
         {},
         0,
         0,
         "of requests: Mooncake or Qwen-Bailian JSON lines, or .yaml; none: they are drawn"},
        {"requests", number, 0, {}, 0, most_requests, "at most; 0: all of a trace, 50 that are drawn"},
        {"generate", choice, drawn.kind, generator_names(), 0, 0, "the pattern of drawn requests"},
        {"prompts", number, drawn.prompts, {}, 1, most_texts, "texts that drawn requests begin with"},
        {"prompt_tokens", tokens, drawn.prompt_tokens, {}, 1, most_tokens, "of each of them"},
        {"own_tokens", number, drawn.own_tokens, {}, 0, most_tokens, "of each drawn request, behind its beginning"},
        {"answer_tokens", number, drawn.answer_tokens, {}, 0, most_tokens, "chat: of each answer"},
        {"turns", number, drawn.turns, {}, 1, most_texts, "chat: requests of a conversation"},
        {"users", number, drawn.users, {}, 1, most_texts, "chat: conversations at a time"},
        {"zipf_exponent", real, drawn.zipf_exponent, {}, 0, 10, "zipf, chat: prompt r is drawn as r^-exponent"},
        {"seed", number, drawn.seed, {}, 0, UINT64_MAX, "of drawn requests"},
        {"interval", duration, 1e-9 * static_cast<double>(drawn.interval_ns), {}, 0, 0, "between two drawn requests"}};
}

void check_trace_options(Json const& options, Json const& locator) {
    bool const from_file = options.contains("trace");
    if (from_file)
        for (auto const* name : generator_only)
            if (options.contains(name)) refuse("a trace is read: nothing is drawn", name, {"trace", "generate"});
    auto const kind = options.value("generate", drawn.kind);
    if (kind != "chat")
        for (auto const* name : chat_only)
            if (options.contains(name))
                refuse("requests of kind " + kind + " have no such option", name, {"generate: chat"});
    if (kind == "rotation" && options.contains("zipf_exponent"))
        refuse("prompts take turns: none is drawn", "zipf_exponent", {"generate: zipf", "generate: chat"});
    if (from_file) check_trace(options, locator);
}

TraceSettings trace_settings(Json const& options) {
    TraceSettings settings;
    settings.most_requests = options.value("requests", std::uint64_t{0});
    auto& generated = settings.generated;
    generated.kind = options.value("generate", drawn.kind);
    if (settings.most_requests != 0) generated.requests = settings.most_requests;
    generated.prompts = options.value("prompts", drawn.prompts);
    generated.prompt_tokens = options.value("prompt_tokens", drawn.prompt_tokens);
    generated.own_tokens = options.value("own_tokens", drawn.own_tokens);
    generated.answer_tokens = options.value("answer_tokens", drawn.answer_tokens);
    generated.turns = options.value("turns", drawn.turns);
    generated.users = options.value("users", drawn.users);
    generated.zipf_exponent = options.value("zipf_exponent", drawn.zipf_exponent);
    generated.seed = options.value("seed", drawn.seed);
    generated.interval_ns =
        std::llround(1e9 * options.value("interval", 1e-9 * static_cast<double>(drawn.interval_ns)));
    return settings;
}

RequestTrace trace_of(Cell const& cell, TraceSettings const& settings, EntryCost const& cost) {
    auto const path = trace_path(cell.locator);
    if (path.empty()) return kept_generated_trace(settings.generated, cost.block_tokens);
    auto trace = read_kept_trace(path, cell.options.at("trace").get<std::string>(), settings.most_requests);
    if (trace.block_tokens != cost.block_tokens)
        throw NotApplicable(fmt::format("the trace's blocks have {} tokens, the context", trace.block_tokens),
                            std::to_string(cost.block_tokens), {fmt::format("context: [{}]", trace.block_tokens)});
    return trace;
}

}  // namespace kvstone
