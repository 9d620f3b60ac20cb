#include "harness/attempts/roofline_probe.hpp"

#include <algorithm>

namespace kvstone {
namespace {

constexpr double kProbeTimeoutS = 60;

Figure const* find(Measurement const& measurement, std::string const& component, std::string const& metric) {
    auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
        return figure.component == component && figure.metric == metric && figure.value;
    });
    return found == measurement.figures.end() ? nullptr : &*found;
}

}  // namespace

Json to_json(Roofline const& roofline) {
    return {{"copy_gb_per_s", roofline.copy_gb_per_s},
            {"streaming_copy_gb_per_s", roofline.streaming_copy_gb_per_s},
            {"read_gb_per_s", roofline.read_gb_per_s},
            {"write_gb_per_s", roofline.write_gb_per_s},
            {"passes", roofline.passes}};
}

Roofline roofline_from_json(Json const& json) {
    return {json.at("copy_gb_per_s"), json.at("streaming_copy_gb_per_s"), json.at("read_gb_per_s"),
            json.at("write_gb_per_s"), json.at("passes")};
}

Roofline probe_roofline(Spawner& spawner, std::string const& backend, int threads) {
    auto command = attempt_command(spawner, backend, threads, 0);
    command.arguments.insert(command.arguments.end(), {"--probe", backend});
    command.timeout_s = kProbeTimeoutS;
    auto const outcome = spawner.run(command);
    if (outcome.exit_code != 0) return {};
    try {
        return roofline_from_json(parse_json(outcome.output));
    } catch (Json::exception const&) {
        return {};
    }
}

void apply_roofline(Measurement& measurement, Roofline const& before, Roofline const& after) {
    double const sum = before.gb_per_s() + after.gb_per_s();
    int const probes = (before.gb_per_s() > 0 ? 1 : 0) + (after.gb_per_s() > 0 ? 1 : 0);
    if (probes == 0) return;
    measurement.roofline_gb_per_s = sum / probes;
    std::vector<Figure> added;
    auto const* read = find(measurement, "kv", "attention_read_gb_per_s");
    if (read != nullptr && before.read_gb_per_s + after.read_gb_per_s > 0) {
        double const read_gb_per_s = (before.read_gb_per_s + after.read_gb_per_s) / probes;
        Figure figure{"kv", "attention_roofline", *read->value / read_gb_per_s, read->n, {}, {}};
        if (read->ci_low) figure.ci_low = *read->ci_low / read_gb_per_s;
        if (read->ci_high) figure.ci_high = *read->ci_high / read_gb_per_s;
        added.push_back(figure);
    }
    for (char const* component : {"k", "v", "kv"}) {
        for (std::string const direction : {"encode", "decode"}) {
            auto const* traffic = find(measurement, component, direction + "_traffic_bytes");
            auto const* time = find(measurement, component, direction + "_ns");
            if (traffic == nullptr || time == nullptr) continue;
            // Bytes per nanosecond are 10^9 bytes per second.
            auto const fraction = [&](double ns) { return *traffic->value / ns / measurement.roofline_gb_per_s; };
            Figure figure{component, direction + "_roofline", fraction(*time->value), time->n, {}, {}};
            if (time->ci_high) figure.ci_low = fraction(*time->ci_high);
            if (time->ci_low) figure.ci_high = fraction(*time->ci_low);
            added.push_back(figure);
        }
    }
    measurement.figures.insert(measurement.figures.end(), added.begin(), added.end());
}

}  // namespace kvstone
