#include "harness/workloads/tier/tier_options.hpp"

#include <initializer_list>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t default_segment_bytes = std::uint64_t{64} << 20;
constexpr char const* live_only[] = {"io", "sync", "segment_bytes", "link_bandwidth", "break_even"};

}  // namespace

std::vector<WorkloadOption> tier_options() {
    using enum WorkloadOption::Kind;
    auto options = trace_options();
    options.insert(
        options.begin(),
        {"mode",
         choice,
         "account",
         {"account", "live"},
         0,
         0,
         "account: bytes from the ledger of one block, and books without tensors; live: each block is encoded, "
         "stored on disk, fetched, decoded and verified, and the ways to the disk are timed"});
    std::initializer_list<WorkloadOption> const own = {
        {"compress",
         choice,
         "in_ram",
         {"in_ram", "on_eviction", "both", "neither"},
         0,
         0,
         "in_ram: memory holds coded bytes, and the disk the same; on_eviction: memory holds values as they come, "
         "which are "
         "coded on their way to the disk; both: memory holds the codec's bytes, the disk those of cold_codec; neither: "
         "both "
         "hold values as they come (codec: raw)"},
        {"cold_codec", text, "", {}, 0, 0, "compress both: codec text of entries on disk"},
        {"hot_budget", bytes, Json(), {}, 0, 0, "bytes in memory: divided by those of an entry, rounded down"},
        {"cold_budget", bytes, Json(), {}, 0, 0, "bytes on disk, likewise; its files may take twice as much"},
        {"order",
         choice,
         "head_first",
         {"head_first", "deepest_first"},
         0,
         0,
         "matched blocks are used, the deepest first, then new ones written from the head on; or all from the deepest"},
        {"io", choice, name_of(SegmentIo::io_uring), segment_io_names(), 0, 0,
         "live: through the page cache, with O_DIRECT, or with O_DIRECT and 16 reads at a time; where the system "
         "refuses, the row names the one that was used"},
        {"sync", choice, name_of(SegmentSync::segment), segment_sync_names(), 0, 0,
         "live: when written blocks are made durable: never, when a segment is full and at the end, or entry by "
         "entry"},
        {"segment_bytes", bytes, default_segment_bytes, {}, 0, 0, "live: of a segment file"},
        {"link_bandwidth",
         bytes,
         0,
         {},
         0,
         0,
         "live: bytes a second from the disk to decoding, by a token bucket; 0: as the disk gives them"},
        {"break_even",
         choice,
         "off",
         {"off", "on"},
         0,
         0,
         "live: times fetching an entry raw and coded over links of 0.1 to 10 GB a second, and finds where they "
         "cross"}};
    options.insert(options.end(), own);
    return options;
}

void check_tier(Json const& options, Json const& locator) {
    check_trace_options(options, locator);
    auto const compress = options.value("compress", "in_ram");
    if (compress == "both" && !options.contains("cold_codec"))
        throw ConfigError("memory has one codec and the disk another: the disk's is missing", "cold_codec",
                          {"cold_codec: int8"});
    if (options.contains("cold_codec")) {
        if (compress != "both")
            throw ConfigError("one codec alone is in use: the cell's", "cold_codec", {"compress: both"});
        Codec::parse(options.at("cold_codec").get<std::string>());
    }
    if (options.value("mode", "account") != "live")
        for (auto const* name : live_only)
            if (options.contains(name)) throw ConfigError("mode account has no disk", name, {"mode: live"});
}

std::string tier_skips(Codec const& codec, Json const& options) {
    bool const measures_none = options.value("compress", "in_ram") == "neither" && codec != Codec::parse("raw");
    return measures_none ? "compress: neither measures no codec: '" + codec.text() + "'; accepted: raw" : std::string();
}

TierSettings tier_settings(Cell const& cell) {
    auto const& options = cell.options;
    TierSettings settings;
    settings.live = options.value("mode", "account") == "live";
    settings.trace = trace_settings(options);
    auto const compress = options.value("compress", "in_ram");
    if (compress == "in_ram" || compress == "both") settings.hot_codec = cell.codec;
    if (compress == "in_ram" || compress == "on_eviction") settings.cold_codec = cell.codec;
    if (compress == "both") settings.cold_codec = Codec::parse(options.at("cold_codec").get<std::string>()).text();
    settings.hot_budget_bytes = options.at("hot_budget").get<std::uint64_t>();
    settings.cold_budget_bytes = options.at("cold_budget").get<std::uint64_t>();
    if (options.value("order", "head_first") == "deepest_first") settings.order = WriteOrder::deepest_first;
    settings.io = segment_io(options.value("io", name_of(settings.io)));
    settings.sync = segment_sync(options.value("sync", name_of(settings.sync)));
    settings.segment_bytes = options.value("segment_bytes", default_segment_bytes);
    settings.link_bytes_per_s = options.value("link_bandwidth", 0.0);
    settings.break_even = options.value("break_even", "off") == "on";
    return settings;
}

}  // namespace kvstone
