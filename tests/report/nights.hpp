#pragma once
// A database of nights made up for tests of reports: cells of several sources, contexts and codecs, measured again by one
// commit after another, with failures among them.

#include <cmath>

#include "results/record/metrics.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone::test {

struct Nights {
    int campaigns = 5;
    int codecs = 20;
    int sources = 4;
    int contexts = 5;
    int metrics_per_component = 17;  ///< the first of metrics(), of K, V and both
    int samples = 50;                ///< an attempt
    int slow_from_night = 3;         ///< codec 1 has half its speed from then on
    int hosts = 1;
    bool by_the_clock = false;  ///< samples of encoding, too, all in whole nanoseconds, as clocks give them
};

/// A year of one grid every night: 100,375 cells, 12.1 million figures, 9.9 million samples.
inline Nights year(int nights = 365) {
    return {.campaigns = nights,
            .codecs = 11,
            .sources = 5,
            .contexts = 5,
            .metrics_per_component = 40,
            .samples = 100,
            .slow_from_night = 200,
            .hosts = 4,
            .by_the_clock = true};
}

/// Texts that HTML, JSON and tables must not interpret.
inline constexpr char const* hostile_name = "</script><img src=x onerror=\"throw 1\">|&'\\";

/// The last nine of twenty are pairs of three codecs of K and three of V.
inline std::string codec_of(int codec) {
    auto const text = [](int bits) { return fmt::format("int:bits={},axis=token", bits); };
    if (codec < 11 || codec >= 20) return text(codec);
    return fmt::format("k{{{}}} v{{{}}}", text(2 + (codec - 11) / 3), text(2 + (codec - 11) % 3));
}

inline Plan plan_of(Nights const& nights) {
    Plan plan;
    plan.scenario = "nights";
    plan.hash = "0123456789abcdef";
    for (int source = 0; source < nights.sources; ++source)
        for (int context = 0; context < nights.contexts; ++context)
            for (int codec = 0; codec < nights.codecs; ++codec) {
                auto c = cell(codec_of(codec), 512U << context);
                c.id = fmt::format("{:016x}", plan.cells.size());
                c.canonical = fmt::format(R"({{"cell":"{}"}})", c.id);
                c.codec_name = codec == 0 ? hostile_name : fmt::format("codec{:02}", codec);
                c.source_name = fmt::format("model{}", source);
                c.source["gguf"] = fmt::format("{:016}", source);
                plan.cells.push_back(std::move(c));
            }
    return plan;
}

/// Figures that depend on the codec, the night and the metric. Codec 3 is beaten by codec 2.
inline Measurement measurement_of(Nights const& nights, Cell const& c, int codec, int night, int serial) {
    auto m = measurement(c, serial % 97 == 96 ? Status::crash : Status::ok);
    m.attempt_id = fmt::format("{:016x}{:016x}", night, serial);
    if (nights.hosts > 1) m.host["name"] = fmt::format("node{}", serial % nights.hosts + 1);
    if (m.status != Status::ok) return m;
    m.figures.clear();
    m.samples.clear();
    double const noise = 1 + 0.01 * std::sin(12.9898 * (serial + 1) + 78.233 * night);
    double const bits = 2.0 + codec;
    double const speed = noise * (20.0 - 0.5 * codec) * (codec == 1 && night >= nights.slow_from_night ? 0.5 : 1);
    for (auto const* component : {"k", "v", "kv"}) {
        auto const all = metrics().first(static_cast<std::size_t>(nights.metrics_per_component));
        for (auto const& metric : all)
            if (metric.name != "bits_per_value" && metric.name != "nmse")
                m.figures.push_back({component, std::string(metric.name), bits * (1.0 + 0.01 * codec), 1, {}, {}});
        m.figures.push_back({component, "bits_per_value", bits, 1, {}, {}});
        m.figures.push_back({component, "nmse", codec == 3 ? 1.0 : std::exp2(-2 * bits), 1, {}, {}});
    }
    m.figures.push_back({"kv", "decode_gb_per_s", speed, 5, 0.98 * speed, 1.02 * speed});
    m.figures.push_back({"kv", "decode_roofline", speed / 20, 5, {}, {}});
    Samples samples{"kv", "decode_ns", {}};
    if (nights.by_the_clock) {
        Samples encoding{"kv", "encode_ns", {}};
        for (int i = 0; i < nights.samples / 2; ++i) {
            double const ns = 1e9 / speed * (1 + 0.01 * std::sin(12.9898 * i + serial + night));
            samples.values.push_back(std::round(ns));
            encoding.values.push_back(std::round(1.5 * ns));
        }
        m.samples.push_back(std::move(encoding));
    } else {
        for (int i = 0; i < nights.samples; ++i) samples.values.push_back(1e6 / speed * (1 + 0.001 * (i % 7)));
    }
    m.samples.push_back(std::move(samples));
    return m;
}

inline void write_nights(std::string const& path, Nights const& nights) {
    auto store = Store::open(path);
    execute(store.connection(), "PRAGMA synchronous = OFF");  // it can be made again
    auto const plan = plan_of(nights);
    for (int night = 0; night < nights.campaigns; ++night) {
        auto const campaign = store.begin_campaign(plan, build(fmt::format("{:040x}", night + 1)), "hw", false);
        std::vector<Measurement> batch;
        for (std::size_t i = 0; i + 1 < plan.cells.size(); ++i) {  // the last cell is owed
            batch.push_back(
                measurement_of(nights, plan.cells[i], static_cast<int>(i) % nights.codecs, night, static_cast<int>(i)));
            if (batch.size() < 200) continue;
            store.ingest(campaign, batch);
            batch.clear();
        }
        store.ingest(campaign, batch);
        // Campaigns begin a day apart.
        execute(store.connection(),
                fmt::format("UPDATE campaign SET started_utc = date('2026-03-01', '{} days') || 'T01:00:00.000Z' WHERE "
                            "uid = '{}'",
                            night, campaign.id));
    }
}

}  // namespace kvstone::test
