#include "harness/planning/vocabulary.hpp"

#include <filesystem>

#include "backends/backend.hpp"
#include "codecs/calibration.hpp"
#include "codecs/codec.hpp"
#include "codecs/registry.hpp"
#include "codecs/text/presets.hpp"
#include "harness/sources/builtin.hpp"
#include "harness/sources/data.hpp"
#include "harness/sources/model_config.hpp"
#include "harness/sources/shapes.hpp"
#include "harness/sources/sources.hpp"
#include "harness/sources/synthetic.hpp"
#include "harness/workloads/workload.hpp"
#include "results/record/metrics.hpp"

namespace kvstone {

Vocabulary vocabulary() {
    Vocabulary words;
    words.canonical_codec = [](std::string const& text) { return Codec::parse(text).text(); };
    for (auto const& [name, entry] : stage_registry()) words.codec_names.push_back(name);
    for (auto const& preset : presets()) words.codec_names.emplace_back(preset.name);
    for (auto const& workload : workloads()) {
        words.workloads.push_back(workload.name);
        if (workload.measures != nullptr) words.measured_of_codec[workload.name] = workload.measures;
        if (!workload.options.empty()) words.workload_options[workload.name] = workload.options;
        if (workload.reads.k || workload.reads.v) words.capture_readers.push_back(workload.name);
        // Captures that have one of the two have both.
        if (workload.reads.q || workload.reads.k_prerope) words.query_readers.push_back(workload.name);
    }
    words.check_workload = [](std::string const& name, Json const& options, Json const& locator) {
        for (auto const& workload : workloads())
            if (workload.name == name && workload.check != nullptr) workload.check(options, locator);
    };
    words.check_dump = check_dump;
    words.check_codec = [](std::string const& codec, Json const& source) {
        if (source.contains("text_sha256"))
            check_other_text(Codec::parse(codec), source.at("text_sha256").get<std::string>());
    };
    words.longest_context = longest_context;
    words.backends = known_backends();
    for (auto const& shape : model_shapes()) words.shapes.push_back(shape.name);
    words.distributions = synthetic_distributions();
    words.shape = shape_facts;
    words.rope = rope_of_config;
    words.builtin_path = builtin_path;
    words.fetched_model = fetched_model;
    for (auto const& metric : metrics()) words.metrics.emplace_back(metric.name);
    return words;
}

std::string scenario_library() { return builtin_path("library"); }

std::string scenario_path(std::string const& name) {
    if (std::filesystem::exists(name) || name.find('/') != std::string::npos) return name;
    auto const folder = scenario_library();
    if (folder.empty()) return name;
    auto const shipped = std::filesystem::path(folder) / (name + ".yaml");
    return std::filesystem::exists(shipped) ? shipped.string() : name;
}

}  // namespace kvstone
