#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"

#include <cmath>
#include <initializer_list>
#include <utility>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_blocks = std::uint64_t{1} << 40;
constexpr std::uint64_t most_clients = 1024;
constexpr char const* serving_only[] = {"prefill_us_per_token", "prefill_ns_per_token_squared", "lookup_us", "overlap"};

std::int64_t nanoseconds(Json const& options, char const* name, double by_default_s) {
    return std::llround(1e9 * options.value(name, by_default_s));
}

[[noreturn]] void refuse(std::string const& what, std::string const& option, std::vector<std::string> accepted = {}) {
    throw ConfigError(what, option, std::move(accepted));
}

}  // namespace

std::vector<WorkloadOption> prefix_cache_options() {
    using enum WorkloadOption::Kind;
    auto options = trace_options();
    std::initializer_list<WorkloadOption> const first = {
        {"mode",
         choice,
         "account",
         {"account", "live"},
         0,
         0,
         "books alone, with the bytes of one block's ledger; or real tensors encoded, stored, found, decoded, "
         "verified"},
        {"threads",
         number,
         1,
         {},
         1,
         most_clients,
         "clients of one store, which hash, compute and code beside each other"}};
    options.insert(options.begin(), first);
    std::initializer_list<WorkloadOption> const own = {
        {"policy", choice, "lru", policy_names(), 0, 0,
         "the block that leaves; belady knows later requests: the upper bound"},
        {"blocks", number, 0, {}, 0, most_blocks, "entries that are held; neither this nor a budget: all"},
        {"budget",
         bytes,
         0,
         {},
         0,
         0,
         "bytes that are held: budget / bytes of an entry, rounded down, are the entries"},
        {"entry",
         choice,
         "block",
         {"block", "layer"},
         0,
         0,
         "the content of an entry: a block, or one layer of a block"},
        {"ttl", duration, 0, {}, 0, 0, "how long an entry is held; 0: for ever"},
        {"ttl_from", choice, "write", {"write", "hit"}, 0, 0, "from its writing, or from its last use"},
        {"ttl_end", choice, "hit", {"hit", "miss"}, 0, 0, "the result of a lookup at exactly this age"},
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
    options.insert(options.end(), own);
    return options;
}

void check_prefix_cache(Json const& options, Json const& locator) {
    check_trace_options(options, locator);
    if (options.contains("blocks") && options.contains("budget"))
        refuse("a cache has a number of blocks or a number of bytes", "blocks", {"blocks", "budget"});
    if (!options.contains("ttl"))
        for (auto const* name : {"ttl_from", "ttl_end"})
            if (options.contains(name)) refuse("without a ttl there is no such option", name, {"ttl: 300 s"});
    bool const computes = options.contains("prefill_us_per_token") || options.contains("prefill_ns_per_token_squared");
    // Mode live may measure the time of computing itself.
    bool const measures = options.value("mode", "account") == "live" && options.contains("link_bandwidth");
    if (!measures && computes != options.contains("link_bandwidth"))
        refuse("time saved needs both the time of computing and the link",
               computes ? "link_bandwidth" : "prefill_us_per_token",
               {"prefill_us_per_token: 50, link_bandwidth: 2 GB"});
    if (!computes && !measures)
        for (auto const* name : serving_only)
            if (options.contains(name))
                refuse("time saved needs the time of computing and the link", name, {"link_bandwidth: 2 GB"});
}

PrefixCacheSettings prefix_cache_settings(Json const& options) {
    PrefixCacheSettings settings;
    settings.trace = trace_settings(options);
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
    settings.live = options.value("mode", "account") == "live";
    settings.threads = options.value("threads", settings.threads);
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
