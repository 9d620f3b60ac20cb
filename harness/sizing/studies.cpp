#include "harness/sizing/studies.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "harness/sizing/layer_bytes.hpp"
#include "harness/sizing/size.hpp"
#include "harness/sources/known_models.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr double giga = 1e9;
constexpr double gibi = 1 << 30;

SizeAnswer answer_of(std::string const& model, std::vector<std::string> codecs, std::uint64_t context,
                     std::uint64_t budget_bytes) {
    SizeQuestion question;
    question.cache = known_model(model);
    question.codecs = std::move(codecs);
    question.contexts = {context};
    question.elements = ElementType::f32;
    question.budget_bytes = budget_bytes;
    return size_of(std::move(question));
}

/// Capacity planning: 70B model, 80 layers, caches of 2K tokens; raw is fp32.
Study study_a9() {
    struct Claim {
        char const* codec;
        char const* words;
        double cache_gb;
        double models;
        double context;
    };
    constexpr Claim claims[] = {
        {"raw", "fp32", 3.2, 20, 2048}, {"fp16", "fp16", 1.6, 40, 4096}, {"int8", "int8", 0.8, 80, 8192}};
    constexpr std::uint64_t context = 2048;
    constexpr std::uint64_t memory = 64'000'000'000;
    constexpr std::uint64_t cache = 3'200'000'000;
    Study study{"a9", "Llama-3.3-70B, 80 layers, 2048 tokens; claims of study A", {}};
    auto const heads = "the model has 8 KV heads, not the 19 that 3.2 GB would take";
    for (auto const& claim : claims) {
        auto const of_memory = answer_of("llama-3.3-70b", {claim.codec}, context, memory).rows.front();
        auto const of_cache = answer_of("llama-3.3-70b", {claim.codec}, context, cache).rows.front();
        study.lines.push_back({fmt::format("cache of 2048 tokens, {}", claim.words), claim.cache_gb,
                               static_cast<double>(of_memory.sequence.all()) / giga, "GB", heads});
        study.lines.push_back({fmt::format("models in 64 GB, {}", claim.words), claim.models,
                               static_cast<double>(of_memory.models), "", ""});
        study.lines.push_back({fmt::format("tokens in 3.2 GB, {}", claim.words), claim.context,
                               static_cast<double>(of_cache.longest_context.value_or(0)), "", ""});
    }
    study.lines.push_back(
        {"K and V of a layer, fp32", 0.04,
         static_cast<double>(answer_of("llama-3.3-70b", {"raw"}, context, memory).rows[0].sequence.all()) / 80 / giga,
         "GB", ""});
    return study;
}

/// Memory tables of a 65B model.
Study study_d5() {
    constexpr std::uint64_t context = 2048;
    auto const rows = answer_of("llama-65b", {"raw", "nf4"}, context, std::uint64_t{1} << 36).rows;
    auto const plain = static_cast<double>(rows[0].sequence.all());
    auto const coded = static_cast<double>(rows[1].sequence.all());
    auto const values = static_cast<double>(known_model("llama-65b").growth_values() * context);
    Study study{"d5", "LLaMA-65B, 80 layers, 2048 tokens; claims of study D, whose GB are GiB", {}};
    study.lines = {
        {"cache, fp32", 10.00, plain / gibi, "GiB", ""},
        {"cache, NF4 with double quantisation", 2.50, coded / gibi, "GiB",
         "2.50 is a byte a code: they are not packed"},
        {"the same, a byte a code and no scales", 2.50, values / gibi, "GiB", ""},
        {"saved", 75.0, 100 * (1 - coded / plain), "%", ""},
    };
    return study;
}

/// Entries of a prefix cache: K and V of a layer, 32 heads, 512 tokens of 64 values, fp32.
Study study_d6() {
    constexpr double memory = 20e9;
    constexpr std::uint64_t tokens = 512;
    CachedLayer const layer{32, 64, 64, 0};
    auto const plain = LayerBytes(Codec::parse("raw"), layer, ElementType::f32).encoded(tokens);
    auto const coded = LayerBytes(Codec::parse("nf4"), layer, ElementType::f32).encoded(tokens);
    auto const entries = [&](std::uint64_t bytes) { return std::floor(memory / static_cast<double>(bytes)); };
    auto const bare = [](StoredBytes const& bytes) { return bytes.all - bytes.framing; };
    // Times as fast with a share of hits that cost so much of a computed one.
    auto const faster = [](double hits, double cost) { return 1 / (1 - hits + hits * cost); };
    constexpr double hit_cost = 0.02;  // 2 ms of 100 ms, as the study has them
    Study study{"d6", "entries of 32 heads, 512 tokens, 64 values, fp32, in 20 GB; claims of study D", {}};
    study.lines = {
        {"bytes of an entry, fp32", 8.4e6, static_cast<double>(bare(plain)), "B", ""},
        {"entries, fp32", 2400, entries(bare(plain)), "", "2,400 is rounded"},
        {"entries, fp32, headers included", {}, entries(plain.all), "", ""},
        {"bytes of an entry, NF4", 1.05e6, static_cast<double>(bare(coded)), "B", "scales take 3% of the codes"},
        {"entries, NF4 with double quantisation", 19000, entries(bare(coded)), "", "19,000 leaves scales out"},
        {"the same, headers included", {}, entries(coded.all), "", ""},
        {"4 requests, 90% hits: times as fast", 3.2, faster(0.9, hit_cost), "x",
         "3.2 is 4 / 1.25: one miss in four is 75% hits"},
        {"4 requests, one a miss: times as fast", 3.2, faster(0.75, hit_cost), "x",
         "4 / 1.25 bills a hit 8.3% of a computed request"},
        {"50 requests, 5 misses: times as fast", 9.2, faster(0.9, hit_cost), "x",
         "100 ms and 2 ms, the study's own, do not give 9.2"},
    };
    return study;
}

using Maker = Study (*)();
constexpr std::pair<char const*, Maker> studies[] = {{"a9", study_a9}, {"d5", study_d5}, {"d6", study_d6}};

std::string number_text(double value) {
    return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

/// In percent of the claim.
std::optional<double> difference(StudyLine const& line) {
    if (!line.claimed) return {};
    return 100 * (line.computed / *line.claimed - 1);
}

}  // namespace

std::vector<std::string> study_names() {
    std::vector<std::string> names;
    for (auto const& [name, maker] : studies) names.emplace_back(name);
    return names;
}

Study study_of(std::string const& name) {
    for (auto const& [known, maker] : studies)
        if (name == known) return maker();
    throw ConfigError("unknown study", name, study_names());
}

std::string study_text(Study const& study, Screen const& screen) {
    TextTable table({{"figure"}, {"claimed", true}, {"computed", true}, {"difference", true}, {"remark"}});
    for (auto const& line : study.lines) {
        auto const unit = line.unit.empty() ? "" : " " + line.unit;
        auto const percent = difference(line);
        table.add({line.what, line.claimed ? number_text(*line.claimed) + unit : "-", number_text(line.computed) + unit,
                   percent ? fmt::format("{:+.1f}%", *percent) : "-", line.remark});
    }
    return wrapped(study.title, screen.columns, 2) + "\n\n" + table.text(screen);
}

Json study_json(Study const& study) {
    Json json{{"study", study.name}, {"title", study.title}, {"lines", Json::array()}};
    for (auto const& line : study.lines) {
        auto const percent = difference(line);
        json["lines"].push_back({{"what", line.what},
                                 {"claimed", line.claimed ? Json(*line.claimed) : Json()},
                                 {"computed", line.computed},
                                 {"unit", line.unit},
                                 {"difference_percent", percent ? Json(*percent) : Json()},
                                 {"remark", line.remark}});
    }
    return json;
}

}  // namespace kvstone
