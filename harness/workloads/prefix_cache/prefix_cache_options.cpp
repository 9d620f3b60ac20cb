#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"

#include <cmath>
#include <set>
#include <utility>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_requests = 100'000'000;
constexpr std::uint64_t most_blocks = std::uint64_t{1} << 40;
constexpr std::uint64_t most_tokens = std::uint64_t{1} << 24;
constexpr std::uint64_t most_texts = 1'000'000;
GeneratedTrace const drawn;  // its defaults

constexpr char const* generator_only[] = {"generate", "prompts", "prompt_tokens", "own_tokens", "answer_tokens",
                                          "turns",    "users",   "zipf_exponent", "seed",       "interval"};
constexpr char const* chat_only[] = {"answer_tokens", "turns", "users"};
constexpr char const* serving_only[] = {"prefill_us_per_token", "prefill_ns_per_token_squared", "lookup_us", "overlap"};

std::int64_t nanoseconds(Json const& options, char const* name, double by_default_s) {
    return std::llround(1e9 * options.value(name, by_default_s));
}

[[noreturn]] void refuse(std::string const& what, std::string const& option, std::vector<std::string> accepted = {}) {
    throw ConfigError(what, option, std::move(accepted));
}

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

std::vector<WorkloadOption> prefix_cache_options() {
    using enum WorkloadOption::Kind;
    return {
        {"mode", choice, "account", {"account"}, 0, 0, "bytes from the ledger of one block, and books without tensors"},
        {"trace",
         file,
         "",
         {},
         0,
         0,
         "of requests: Mooncake or Qwen-Bailian JSON lines, or .yaml; none: they are drawn"},
        {"requests", number, 0, {}, 0, most_requests, "at most; 0: all of a trace, 50 that are drawn"},
        {"generate", choice, drawn.kind, generator_names(), 0, 0, "what drawn requests are like"},
        {"prompts", number, drawn.prompts, {}, 1, most_texts, "texts that drawn requests begin with"},
        {"prompt_tokens", tokens, drawn.prompt_tokens, {}, 1, most_tokens, "of each of them"},
        {"own_tokens",
         number,
         drawn.own_tokens,
         {},
         0,
         most_tokens,
         "of each drawn request, behind what it begins with"},
        {"answer_tokens", number, drawn.answer_tokens, {}, 0, most_tokens, "chat: of each answer"},
        {"turns", number, drawn.turns, {}, 1, most_texts, "chat: requests of a conversation"},
        {"users", number, drawn.users, {}, 1, most_texts, "chat: conversations at a time"},
        {"zipf_exponent", real, drawn.zipf_exponent, {}, 0, 10, "zipf, chat: prompt r is drawn as r^-exponent"},
        {"seed", number, drawn.seed, {}, 0, UINT64_MAX, "of drawn requests"},
        {"interval", duration, 1e-9 * static_cast<double>(drawn.interval_ns), {}, 0, 0, "between two drawn requests"},
        {"policy", choice, "lru", policy_names(), 0, 0, "which block goes; belady knows what comes: the bound"},
        {"blocks", number, 0, {}, 0, most_blocks, "entries that are held; neither this nor a budget: all"},
        {"budget",
         bytes,
         0,
         {},
         0,
         0,
         "bytes that are held: budget / bytes of an entry, rounded down, are the entries"},
        {"entry", choice, "block", {"block", "layer"}, 0, 0, "what has an entry: a block, or each layer of a block"},
        {"ttl", duration, 0, {}, 0, 0, "how long an entry is held; 0: for ever"},
        {"ttl_from", choice, "write", {"write", "hit"}, 0, 0, "from its writing, or from its last use"},
        {"ttl_end", choice, "hit", {"hit", "miss"}, 0, 0, "what a lookup is when exactly so much time has passed"},
        {"admission",
         choice,
         "always",
         {"always", "second-touch"},
         0,
         0,
         "a block is written when it is asked for the "
         "first, or the second time"},
        {"order",
         choice,
         "head_first",
         {"head_first", "deepest_first"},
         0,
         0,
         "matched blocks are used, the deepest first, then new ones written from the head on; or all from the deepest"},
        {"prefill_us_per_token", real, 0, {}, 0, 1'000'000, "a of T(n) = a n + b n^2, the time to compute n tokens"},
        {"prefill_ns_per_token_squared", real, 0, {}, 0, 1'000'000, "b of it"},
        {"link_bandwidth", bytes, 0, {}, 0, 0, "bytes a second to where entries lie; needed for time_saved_percent"},
        {"lookup_us", real, 0, {}, 0, 1'000'000'000, "that each hit takes besides"},
        {"overlap", choice, "off", {"off", "on"}, 0, 0, "whether coding and the link work at the same time"}};
}

std::string trace_path(Json const& locator) { return locator.value("files", Json::object()).value("trace", ""); }

void check_prefix_cache(Json const& options, Json const& locator) {
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
    if (options.contains("blocks") && options.contains("budget"))
        refuse("a cache has so many blocks or so many bytes", "blocks", {"blocks", "budget"});
    if (!options.contains("ttl"))
        for (auto const* name : {"ttl_from", "ttl_end"})
            if (options.contains(name)) refuse("without a ttl there is no such option", name, {"ttl: 300 s"});
    bool const computes = options.contains("prefill_us_per_token") || options.contains("prefill_ns_per_token_squared");
    if (computes != options.contains("link_bandwidth"))
        refuse("time saved needs both what computing takes and the link",
               computes ? "link_bandwidth" : "prefill_us_per_token",
               {"prefill_us_per_token: 50, link_bandwidth: 2 GB"});
    if (!computes)
        for (auto const* name : serving_only)
            if (options.contains(name))
                refuse("time saved needs what computing takes and the link", name, {"link_bandwidth: 2 GB"});
    if (from_file) check_trace(options, locator);
}

PrefixCacheSettings prefix_cache_settings(Json const& options) {
    PrefixCacheSettings settings;
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
    generated.interval_ns = nanoseconds(options, "interval", 1e-9 * static_cast<double>(drawn.interval_ns));
    settings.blocks = options.value("blocks", std::uint64_t{0});
    settings.budget_bytes = options.value("budget", std::uint64_t{0});
    auto& rules = settings.rules;
    rules.policy = options.value("policy", rules.policy);
    rules.order =
        options.value("order", "head_first") == "head_first" ? WriteOrder::head_first : WriteOrder::deepest_first;
    rules.second_touch = options.value("admission", "always") == "second-touch";
    rules.ttl_ns = nanoseconds(options, "ttl", 0);
    rules.ttl_from_hit = options.value("ttl_from", "write") == "hit";
    rules.last_instant_counts = options.value("ttl_end", "hit") == "hit";
    settings.by_layer = options.value("entry", "block") == "layer";
    if (options.contains("link_bandwidth"))
        settings.serving =
            ServingModel{.prefill_us_per_token = options.value("prefill_us_per_token", 0.0),
                         .prefill_ns_per_token_squared = options.value("prefill_ns_per_token_squared", 0.0),
                         .link_bytes_per_s = options.value("link_bandwidth", 0.0),
                         .lookup_us = options.value("lookup_us", 0.0),
                         .overlapped = options.value("overlap", "off") == "on"};
    return settings;
}

}  // namespace kvstone
