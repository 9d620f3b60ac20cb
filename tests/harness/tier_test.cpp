// The workload tier: a cell's figures against what its sizes and its trace say, live ones against those of books, and what it
// refuses.

#include "harness/workloads/tier/tier.hpp"

#include <filesystem>

#include <gmock/gmock.h>

#include "harness/workloads/tier/tier_options.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t layers = 3;
constexpr std::uint64_t block_tokens = 64;
/// K and V, 2 heads of 32 channels, float32.
constexpr std::uint64_t raw_bytes = 2 * layers * 2 * block_tokens * 32 * 4;

class TierWorkload : public AttemptTest {
  protected:
    Measurement measure(std::string const& codec, Json options, bool timing = false) {
        AttemptRequest request;
        request.cell.workload = "tier";
        request.cell.source = {
            {"kind", "synthetic"}, {"layers", layers}, {"kv_heads", 2}, {"head_dim", 32}, {"seed", 5}};
        request.cell.options = std::move(options);
        request.cell.locator = Json::object();
        request.cell.context = block_tokens;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = 1;
        request.measure.timeout_s = 100;
        request.measure.timing = timing;
        request.measure.min_time_s = 0.01;
        request.measure.repetitions = 3;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run(request);
    }
    /// Ten prompts of two blocks drawn by Zipf; room for `hot` and `cold` entries of these sizes.
    static Json drawn(std::uint64_t hot, std::uint64_t hot_bytes, std::uint64_t cold, std::uint64_t cold_bytes) {
        return {{"generate", "zipf"},
                {"prompts", 10},
                {"prompt_tokens", 2 * block_tokens},
                {"requests", 60},
                {"hot_budget", hot * hot_bytes + hot_bytes / 2},
                {"cold_budget", cold * cold_bytes + cold_bytes - 1}};
    }
    static bool has(Measurement const& m, std::string const& metric) {
        return std::ranges::any_of(m.figures, [&](Figure const& one) { return one.metric == metric; });
    }
    /// The size of an entry in a codec.
    std::uint64_t coded_bytes(std::string const& codec) {
        auto const m = measure(codec, {{"hot_budget", 1 << 30}, {"cold_budget", 1 << 30}});
        EXPECT_EQ(m.status, Status::ok) << m.reason;
        EXPECT_EQ(value(m, "cold_entry_bytes"), value(m, "hot_entry_bytes"));
        return static_cast<std::uint64_t>(value(m, "hot_entry_bytes"));
    }
};

TEST_F(TierWorkload, FillsEachBudgetWithEntriesOfItsForm) {
    auto const q8_0 = coded_bytes("q8_0");
    auto const fp16 = coded_bytes("fp16");
    struct Case {
        std::string codec;
        Json options;
        std::uint64_t hot_bytes, cold_bytes;
    };
    for (auto const& [codec, options, hot_bytes, cold_bytes] :
         {Case{"q8_0", {{"compress", "in_ram"}}, q8_0, q8_0},
          Case{"q8_0", {{"compress", "on_eviction"}}, raw_bytes, q8_0},
          Case{"fp16", {{"compress", "both"}, {"cold_codec", "q8_0"}}, fp16, q8_0},
          Case{"raw", {{"compress", "neither"}}, raw_bytes, raw_bytes}}) {
        auto wanted = drawn(3, hot_bytes, 5, cold_bytes);
        wanted.update(options);
        auto const m = measure(codec, wanted);
        ASSERT_EQ(m.status, Status::ok) << m.reason;
        EXPECT_EQ(value(m, "hot_entry_bytes"), hot_bytes) << options;
        EXPECT_EQ(value(m, "cold_entry_bytes"), cold_bytes) << options;
        EXPECT_EQ(value(m, "hot_entries"), 3) << options;
        EXPECT_EQ(value(m, "cold_entries"), 5) << options;
        EXPECT_EQ(value(m, "block_lookups"), 120);
        EXPECT_EQ(value(m, "hot_hits") + value(m, "cold_hits"), value(m, "block_hits"));
        EXPECT_EQ(value(m, "hot_entries_held"), 3);
        EXPECT_EQ(value(m, "cold_entries_held"), 5);
        EXPECT_EQ(value(m, "demoted_bytes"), value(m, "demotions") * static_cast<double>(cold_bytes));
        EXPECT_GE(value(m, "block_hits"), value(m, "hot_alone_hits"));
    }
}

TEST_F(TierWorkload, IsLiveWhatItsBooksSay) {
    struct Case {
        std::string codec;
        Json options;
        std::string hot, cold;  ///< codecs of entries; empty: none
    };
    std::string const lossless = "fp16 | gear | zstd";
    for (auto const& [codec, options, hot, cold] :
         {Case{"nf4", {{"compress", "in_ram"}}, "nf4", "nf4"},
          Case{"q8_0", {{"compress", "on_eviction"}, {"sync", "entry"}}, "", "q8_0"},
          Case{"fp16",
               {{"compress", "both"}, {"cold_codec", "int8"}, {"io", "direct"}, {"segment_bytes", 1 << 20}},
               "fp16",
               "int8"},
          Case{"raw", {{"compress", "neither"}, {"io", "buffered"}, {"sync", "none"}}, "", ""},
          Case{lossless, {{"link_bandwidth", 2'000'000'000}}, lossless, lossless}}) {
        auto const bytes_in = [&](std::string const& text) { return text.empty() ? raw_bytes : coded_bytes(text); };
        auto wanted = drawn(4, bytes_in(hot), 8, bytes_in(cold));
        wanted.update(options);
        for (auto const* name : {"io", "sync", "segment_bytes", "link_bandwidth"}) wanted.erase(name);
        auto const books = measure(codec, wanted);
        ASSERT_EQ(books.status, Status::ok) << books.reason;
        wanted.update(options);
        wanted["mode"] = "live";
        auto const live = measure(codec, wanted);
        ASSERT_EQ(live.status, Status::ok) << live.reason << live.stderr_tail;
        for (auto const& figure : books.figures)
            if (figure.metric != "peak_rss_bytes") {
                EXPECT_EQ(value(live, figure.metric), figure.value) << figure.metric << " " << options;
            }
        EXPECT_GT(value(live, "cold_hits"), 0) << options;
        EXPECT_EQ(value(live, "lost_entries"), 0);
        EXPECT_THAT(live.engine, StartsWith("cold tier: "));
        EXPECT_GE(value(live, "cold_file_bytes"), value(live, "cold_held_bytes"));
        EXPECT_GE(value(live, "file_write_amplification"), 1);
        // Fixed-rate entries are as large as the first.
        if (codec != lossless) {
            EXPECT_EQ(value(live, "cold_held_bytes"),
                      value(live, "cold_entries_held") * value(live, "cold_entry_bytes"));
        }
        EXPECT_EQ(value(live, "cold_nmse") == 0, codec == "raw") << options;
        EXPECT_FALSE(has(live, "cold_hit_ns")) << "no times are taken";
        EXPECT_FALSE(has(live, "write_gb_per_s"));
        EXPECT_TRUE(std::filesystem::is_empty(cache_ / "kvstone/tier")) << "files are left";
    }
}

TEST_F(TierWorkload, TellsHowFastTheWaysToTheDiskAre) {
    auto wanted = drawn(4, raw_bytes, 8, raw_bytes);
    wanted.update({{"mode", "live"}, {"compress", "on_eviction"}, {"break_even", "on"}});
    auto const m = measure("q8_0", wanted, true);
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_EQ(value(m, "transfer_entries"), std::min(64.0, value(m, "cold_entries")));
    for (std::string const metric :
         {"encode_gb_per_s", "decode_gb_per_s", "disk_write_gb_per_s", "disk_read_gb_per_s", "write_gb_per_s",
          "read_gb_per_s", "write_overlap_fraction", "read_overlap_fraction", "hot_hit_ns", "cold_hit_ns"})
        EXPECT_GT(value(m, metric), 0) << metric;
    for (std::string const pass : {"encode", "decode"})
        EXPECT_NEAR(value(m, pass + "_gb_per_s"), raw_bytes / value(m, pass + "_ns"), 1e-9);
    EXPECT_GT(value(m, "break_even_gb_per_s"), 0);
    EXPECT_TRUE(has(m, "crossing_over_computed"));
    EXPECT_TRUE(has(m, "crossing_gb_per_s")) << "null where both are faster or slower on all links";
    EXPECT_EQ(std::ranges::count(m.profiles, "raw_fetch_ns", &ProfileFigure::metric), 13);
    EXPECT_EQ(std::ranges::count(m.profiles, "coded_fetch_ns", &ProfileFigure::metric), 13);
    // A link's time is not measured: it takes the stated time. The profile has whole MB/s.
    for (auto const& profile : m.profiles)
        if (profile.metric == "raw_fetch_ns") {
            EXPECT_GE(profile.value, 1e3 * raw_bytes / (static_cast<double>(profile.position) + 0.5))
                << profile.position;
        }
}

TEST_F(TierWorkload, SkipsWhatItHasNoRoomFor) {
    auto wanted = drawn(1, raw_bytes, 1, raw_bytes);
    wanted["compress"] = "on_eviction";
    wanted["hot_budget"] = raw_bytes - 1;
    auto m = measure("q8_0", wanted);
    EXPECT_EQ(m.status, Status::skipped);
    EXPECT_THAT(m.reason, HasSubstr("an entry of the hot tier has"));
    wanted["hot_budget"] = raw_bytes;
    wanted["cold_budget"] = 100;
    m = measure("q8_0", wanted);
    EXPECT_EQ(m.status, Status::skipped);
    EXPECT_THAT(m.reason, HasSubstr("an entry of the cold tier has"));
    wanted = drawn(1, raw_bytes, 1, raw_bytes);
    wanted.update({{"mode", "live"}, {"segment_bytes", 4096}});
    m = measure("q8_0", wanted);
    EXPECT_EQ(m.status, Status::skipped);
    EXPECT_THAT(m.reason, HasSubstr("bytes on disk, a segment"));
    wanted = drawn(1, raw_bytes, 1, raw_bytes);
    wanted["compress"] = "neither";
    m = measure("q8_0", wanted);
    EXPECT_EQ(m.status, Status::skipped);
    EXPECT_THAT(m.reason, HasSubstr("compress: neither measures no codec"));
}

TEST_F(TierWorkload, TellsTheDiskThatItCannotUse) {
    setenv("KVSTONE_COLD_FOLDER", "/proc/nowhere", 1);
    auto wanted = drawn(1, raw_bytes, 1, raw_bytes);
    wanted["mode"] = "live";
    auto const m = measure("q8_0", wanted);
    unsetenv("KVSTONE_COLD_FOLDER");
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("/proc/nowhere"));
}

TEST(TierOptions, ThatDoNotBelongTogetherAreRefused) {
    auto const refusal = [](Json const& options) -> std::string {
        try {
            check_tier(options, Json::object());
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "not refused";
    };
    for (auto const& [options, why] : std::vector<std::pair<Json, std::string>>{
             {{{"compress", "both"}}, "memory has one codec and the disk another"},
             {{{"cold_codec", "int8"}}, "one codec alone is in use"},
             {{{"compress", "on_eviction"}, {"cold_codec", "int8"}}, "one codec alone is in use"},
             {{{"compress", "both"}, {"cold_codec", "int9"}}, "int9"},
             {{{"io", "direct"}}, "mode account has no disk: 'io'; accepted: mode: live"},
             {{{"mode", "account"}, {"break_even", "on"}}, "mode account has no disk"},
             {{{"sync", "none"}}, "mode account has no disk"},
             {{{"segment_bytes", 5}}, "mode account has no disk"},
             {{{"link_bandwidth", 5}}, "mode account has no disk"},
             {{{"turns", 3}}, "requests of kind rotation have no such option: 'turns'"}})
        EXPECT_THAT(refusal(options), HasSubstr(why)) << options;
    EXPECT_EQ(refusal({{"compress", "both"}, {"cold_codec", "int8"}, {"mode", "live"}, {"io", "direct"}}),
              "not refused");
    EXPECT_EQ(refusal(Json::object()), "not refused");
}

}  // namespace
}  // namespace kvstone
