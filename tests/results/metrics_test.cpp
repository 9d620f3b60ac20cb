// The list of metrics.

#include "results/record/metrics.hpp"

#include <set>
#include <string>

#include <gmock/gmock.h>

namespace kvstone {
namespace {

// The names that queries, gates and histories rely on: never renamed, never removed.
constexpr char const* promised[] = {"bits_per_value",
                                    "nominal_bits_per_value",
                                    "ratio_vs_fp16",
                                    "ratio_without_side_data",
                                    "ratio_vs_fp32",
                                    "ledger_payload_bytes",
                                    "ledger_scales_bytes",
                                    "ledger_zeros_bytes",
                                    "ledger_outliers_bytes",
                                    "ledger_window_bytes",
                                    "ledger_codebooks_bytes",
                                    "ledger_headers_bytes",
                                    "ledger_padding_bytes",
                                    "ledger_workspace_bytes",
                                    "allocated_bytes",
                                    "peak_rss_bytes",
                                    "device_peak_bytes",
                                    "mae",
                                    "rmse",
                                    "nmse",
                                    "max_abs_error",
                                    "relative_error_l1",
                                    "relative_error_mean",
                                    "relative_error_p50",
                                    "relative_error_p95",
                                    "relative_error_p99",
                                    "relative_error_max",
                                    "cosine",
                                    "cosine_min",
                                    "attention_logit_error",
                                    "attention_kl",
                                    "attention_output_error",
                                    "attention_top8_overlap",
                                    "encode_ns",
                                    "decode_ns",
                                    "encode_gb_per_s",
                                    "decode_gb_per_s",
                                    "encode_roofline",
                                    "decode_roofline",
                                    "append_ns_per_token",
                                    "break_even_gbit_per_s",
                                    "ppl",
                                    "ppl_delta_percent",
                                    "kld_mean",
                                    "kld_p99",
                                    "top1_agreement",
                                    "acc",
                                    "acc_norm",
                                    "compressed_read_fraction",
                                    "prefill_tokens_per_s",
                                    "decode_tokens_per_s",
                                    "hit_rate",
                                    "bytes_saved",
                                    "time_saved_percent",
                                    "write_gb_per_s",
                                    "read_gb_per_s"};

TEST(MetricsTest, EveryPromisedNameIsThere) {
    for (auto const* name : promised) EXPECT_NE(find_metric(name), nullptr) << name;
    EXPECT_EQ(find_metric("mea"), nullptr);
    EXPECT_EQ(find_metric(""), nullptr);
}

TEST(MetricsTest, EachSaysWhatItIsOnce) {
    std::set<std::string_view> names;
    for (auto const& metric : metrics()) {
        EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
        EXPECT_FALSE(metric.unit.empty()) << metric.name;
        EXPECT_FALSE(metric.formula.empty()) << metric.name;
        EXPECT_EQ(find_metric(metric.name), &metric);
    }
}

TEST(MetricsTest, EachSaysHowKAndVBecomeOne) {
    auto const how = [](char const* name) { return find_metric(name)->both; };
    EXPECT_EQ(how("stored_bytes"), Both::sum);
    EXPECT_EQ(how("decode_ns"), Both::sum);
    EXPECT_EQ(how("bits_per_value"), Both::from_sums);
    EXPECT_EQ(how("decode_gb_per_s"), Both::from_sums);
    EXPECT_EQ(how("nmse"), Both::pooled);
    EXPECT_EQ(how("cosine"), Both::pooled);
    EXPECT_EQ(how("kld_mean"), Both::together);
    EXPECT_EQ(how("cache_layers"), Both::none);
    for (auto const& metric : metrics()) {
        EXPECT_FALSE(how_made(metric.both).empty()) << metric.name;
        // Bytes and times add up; a mean does not, whatever its unit.
        bool const adds_up = metric.unit == "byte" || metric.unit == "ns";
        EXPECT_TRUE(metric.both != Both::sum || adds_up) << metric.name;
    }
}

TEST(MetricsTest, UnitsAgreeWithNames) {
    for (auto const& metric : metrics()) {
        for (auto const& [ending, unit] :
             {std::pair{"_bytes", "byte"}, {"_ns", "ns"}, {"_gb_per_s", "GB/s"}, {"_percent", "%"}})
            EXPECT_TRUE(!metric.name.ends_with(ending) || metric.unit == unit) << metric.name;
        // Times differ from run to run.
        bool const clocked = metric.unit == "ns" || metric.unit == "GB/s" || metric.unit == "token/s";
        EXPECT_FALSE(clocked && metric.deterministic) << metric.name;
    }
}

}  // namespace
}  // namespace kvstone
