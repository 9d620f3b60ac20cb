#include "scenarios/measure.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_repetitions = 1'000'000;
constexpr std::uint64_t most_processes = 10'000;
constexpr char const* pinned = "pinned";
constexpr char const* only_timing = "only";
constexpr char const* callgrind = "callgrind";

/// `work: callgrind` takes the place of times and quality: both would be the instrument's.
void read_work(YamlMap const& map, Measure& measure) {
    WorkSample sample;
    for (auto const& [key, member] : {std::pair{"work_layers", &sample.layers}, {"work_tokens", &sample.tokens}})
        if (auto const* count = map.find(key)) *member = whole_number_of(*count, 1, UINT64_MAX);
    if (auto const* start = map.find("work_start")) sample.start = choice_of(*start, "switch", {"on", "off"}) == "on";
    auto const* work = map.find("work");
    if (work == nullptr || choice_of(*work, "instrument", {"off", callgrind}) == "off") return;
    measure.work = sample;
    measure.timing = measure.quality = false;
}

}  // namespace

Measure measure_of(YamlValue const& value) {
    YamlMap const map(value, {"min_time", "warm_up", "repetitions", "processes", "threads", "timeout", "memory",
                              "timing", "placement", "work", "work_layers", "work_start", "work_tokens", "energy"});
    Measure measure;
    if (auto const* time = map.find("min_time")) measure.min_time_s = duration_s_of(*time);
    if (auto const* time = map.find("warm_up")) measure.warm_up_s = duration_s_of(*time);
    if (auto const* count = map.find("repetitions"))
        measure.repetitions = static_cast<int>(whole_number_of(*count, 1, most_repetitions));
    if (auto const* count = map.find("processes"))
        measure.processes = static_cast<int>(whole_number_of(*count, 1, most_processes));
    if (auto const* time = map.find("timeout")) {
        measure.timeout_s = duration_s_of(*time);
        if (measure.timeout_s == 0) refuse(*time, "expected a time above 0");
    }
    if (auto const* bytes = map.find("memory")) measure.memory_bytes = bytes_of(*bytes);
    if (auto const* timing = map.find("timing")) {
        auto const text = choice_of(*timing, "switch", {"on", "off", "true", "false", only_timing});
        measure.timing = text != "off" && text != "false";
        measure.quality = text != only_timing;
    }
    if (auto const* placement = map.find("placement"))
        if (choice_of(*placement, "placement", {"any", pinned}) == pinned) measure.placement = Placement::pinned;
    read_work(map, measure);
    if (auto const* energy = map.find("energy"); energy != nullptr && switch_of(*energy)) {
        if (!measure.timing)
            refuse(*energy, "energy is read of timed passes: it needs timing: on, and no work: callgrind");
        measure.energy = true;
    }
    return measure;
}

Json to_json(Measure const& measure) {
    Json json = {{"min_time_s", measure.min_time_s},     {"repetitions", measure.repetitions},
                 {"processes", measure.processes},       {"timeout_s", measure.timeout_s},
                 {"memory_bytes", measure.memory_bytes}, {"timing", measure.timing}};
    // Left out at its default, so that hashes of plans from before there was a choice stay.
    if (measure.placement == Placement::pinned) json["placement"] = pinned;
    if (!measure.quality) json["quality"] = false;
    if (measure.warm_up_s) json["warm_up_s"] = *measure.warm_up_s;
    if (measure.work)
        json["work"] = {{"instrument", callgrind}, {"layers", measure.work->layers}, {"tokens", measure.work->tokens}};
    if (measure.work && measure.work->start) json["work"]["start"] = true;
    if (measure.energy) json["energy"] = true;
    return json;
}

Measure measure_from_json(Json const& json) {
    try {
        Measure measure;
        json.at("min_time_s").get_to(measure.min_time_s);
        json.at("repetitions").get_to(measure.repetitions);
        json.at("processes").get_to(measure.processes);
        json.at("timeout_s").get_to(measure.timeout_s);
        json.at("memory_bytes").get_to(measure.memory_bytes);
        json.at("timing").get_to(measure.timing);
        if (json.value("placement", "any") == pinned) measure.placement = Placement::pinned;
        measure.quality = json.value("quality", true);
        if (json.contains("warm_up_s")) measure.warm_up_s = json.at("warm_up_s").get<double>();
        if (auto const work = json.find("work"); work != json.end())
            measure.work = WorkSample{work->at("layers"), work->at("tokens"), work->value("start", false)};
        measure.energy = json.value("energy", false);
        return measure;
    } catch (Json::exception const& error) {
        throw ConfigError(std::string("not a measure: ") + error.what());
    }
}

}  // namespace kvstone
