#include "harness/workloads/roundtrip/roundtrip_figures.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// Median and mean time of a pass; of several components: the sums of theirs, with the bounds of the medians summed too.
struct PassTime {
    double ns = 0;
    double mean_ns = 0;
    std::uint64_t n = 0;
    std::optional<Interval> interval = Interval{};

    void add(std::vector<double> const& samples) {
        ns += median(samples);
        mean_ns += std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
        n = n == 0 ? samples.size() : std::min<std::uint64_t>(n, samples.size());
        auto const own = median_interval(samples);
        if (interval && own)
            interval = Interval{interval->low + own->low, interval->high + own->high};
        else
            interval.reset();
    }
};

void add_errors(FigureWriter& figures, ErrorSums const& sums, std::optional<double> relative_error_mean,
                std::optional<RelativeQuantiles> const& quantiles) {
    figures.add("mae", sums.mae());
    figures.add("rmse", sums.rmse());
    figures.add("nmse", sums.nmse());
    figures.add("max_abs_error", sums.values == 0 ? std::nullopt : std::optional(sums.max_abs_error));
    figures.add("relative_error_l1", sums.relative_error_l1());
    auto const quantile = [&](double RelativeQuantiles::* member) {
        return quantiles ? std::optional((*quantiles).*member) : std::nullopt;
    };
    figures.add("relative_error_mean", relative_error_mean);
    figures.add("relative_error_p50", quantile(&RelativeQuantiles::p50));
    figures.add("relative_error_p95", quantile(&RelativeQuantiles::p95));
    figures.add("relative_error_p99", quantile(&RelativeQuantiles::p99));
    figures.add("relative_error_max", quantile(&RelativeQuantiles::max));
    figures.add("cosine", sums.cosine());
    figures.add("cosine_min", sums.values == 0 ? std::nullopt : std::optional(sums.cosine_min));
}

void add_speed(FigureWriter& figures, PassTime const& encode, PassTime const& decode, double original_bytes,
               double stored_bytes, double encode_traffic, double decode_traffic) {
    auto const direction = [&](std::string const& name, PassTime const& time, double traffic) {
        figures.add(name + "_ns", time.ns, time.n, time.interval);
        figures.add(name + "_mean_ns", time.mean_ns, time.n, {});
        // Bytes per nanosecond are 10^9 bytes per second.
        std::optional<Interval> rate;
        if (time.interval) rate = Interval{original_bytes / time.interval->high, original_bytes / time.interval->low};
        figures.add(name + "_gb_per_s", original_bytes / time.ns, time.n, rate);
        figures.add(name + "_traffic_bytes", traffic);
    };
    direction("encode", encode, encode_traffic);
    direction("decode", decode, decode_traffic);
    double const saved = std::max(0.0, original_bytes - stored_bytes);
    figures.add("break_even_gbit_per_s", saved * 8 / (encode.ns + decode.ns));
}

/// Of several components: where each has an energy, their sum over the sum of their bytes.
void add_energy(FigureWriter& figures, std::string const& metric, std::vector<RoundtripResult> const& results,
                std::optional<PassEnergy> RoundtripResult::* energy) {
    constexpr double bytes_per_gb = 1e9;
    PassEnergy sum{0, UINT64_MAX};
    double original_bytes = 0;
    for (auto const& result : results) {
        auto const& own = result.*energy;
        if (!own) return;
        sum.joules += own->joules;
        sum.passes = std::min(sum.passes, own->passes);
        original_bytes += static_cast<double>(result.original_bytes);
    }
    figures.add(metric, sum.joules * bytes_per_gb / original_bytes, sum.passes, {});
}

void add_samples(RoundtripResult const& result, Measurement& measurement) {
    if (result.encode_ns.empty()) return;
    measurement.samples.push_back({result.component, "encode_ns", result.encode_ns});
    measurement.samples.push_back({result.component, "decode_ns", result.decode_ns});
}

void add_profiles(RoundtripResult const& result, Measurement& measurement) {
    auto const heads = static_cast<int>(result.shape.heads);
    for (int index = 0; index < static_cast<int>(result.distortion->heads.size()); ++index) {
        auto const& sums = result.distortion->heads[static_cast<std::size_t>(index)];
        auto const add = [&](char const* metric, std::optional<double> value) {
            if (value)
                measurement.profiles.push_back({result.component, metric, index / heads, index % heads, -1, *value});
        };
        add("nmse", sums.nmse());
        add("cosine", sums.cosine());
    }
}

void add_component(std::string const& component, std::vector<RoundtripResult> const& results,
                   std::optional<PooledDistortion> const& errors, Measurement& measurement) {
    FigureWriter figures(measurement, component);
    ByteLedger ledger;
    PassTime encode, decode;
    std::uint64_t values = 0, original_bytes = 0, allocated_bytes = 0, encode_traffic = 0, decode_traffic = 0;
    double nominal_bits = 0;
    bool timed = true;
    for (auto const& result : results) {
        ledger += result.ledger;
        values += result.shape.values();
        original_bytes += result.original_bytes;
        allocated_bytes += result.allocated_bytes;
        encode_traffic += result.encode_traffic_bytes;
        decode_traffic += result.decode_traffic_bytes;
        nominal_bits += result.nominal_bits_per_value * static_cast<double>(result.shape.values());
        timed = timed && !result.encode_ns.empty();
        if (!timed) continue;
        encode.add(result.encode_ns);
        decode.add(result.decode_ns);
    }
    add_bytes(figures, ledger, original_bytes, values, nominal_bits / static_cast<double>(values));
    figures.add_count("allocated_bytes", allocated_bytes);
    if (errors) add_errors(figures, errors->total, errors->relative_error_mean, errors->quantiles);
    if (timed)
        add_speed(figures, encode, decode, static_cast<double>(original_bytes),
                  static_cast<double>(ledger.stored_bytes()), static_cast<double>(encode_traffic),
                  static_cast<double>(decode_traffic));
    add_energy(figures, "encode_joules_per_gb", results, &RoundtripResult::encode_energy);
    add_energy(figures, "decode_joules_per_gb", results, &RoundtripResult::decode_energy);
}

}  // namespace

void add_roundtrip_figures(std::vector<RoundtripResult> const& results, Measurement& measurement) {
    std::vector<Distortion const*> distortions;
    for (auto const& result : results) {
        add_samples(result, measurement);
        auto const& own = result.distortion;
        if (!own) {
            add_component(result.component, {result}, {}, measurement);
            continue;
        }
        add_component(result.component, {result},
                      PooledDistortion{own->total, own->relative_error_mean(), own->quantiles}, measurement);
        FigureWriter(measurement, result.component)
            .add("channel_rms_max_over_median", result.channel_rms_max_over_median);
        add_profiles(result, measurement);
        distortions.push_back(&*own);
    }
    if (results.size() < 2) return;
    add_component("kv", results, distortions.empty() ? std::nullopt : std::optional(pooled(distortions)), measurement);
}

}  // namespace kvstone
