#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "scenarios/source_entry.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t largest_number = 1 << 16;
constexpr double default_rope_base = 10000;
constexpr std::uint64_t newest_llama_format = 2;

/// A double that is a whole number is written as one, so that 10000 and 1e4 are the same.
Json spelled(double number) {
    if (number == std::floor(number) && std::abs(number) < 1e15) return static_cast<std::uint64_t>(number);
    return number;
}

}  // namespace

Json shape_facts_at(YamlValue const& shape, SourceFiles const& files, Vocabulary const& vocabulary) {
    if (!text_of(shape).ends_with(".json")) return vocabulary.shape(choice_of(shape, "shape", vocabulary.shapes));
    try {
        return vocabulary.shape(files.absolute(shape, text_of(shape)));
    } catch (ConfigError const& error) {
        throw error.at(shape.place);
    }
}

SourceEntry synthetic_source(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary) {
    YamlMap const map(value, {"shape", "layers", "heads", "kv_heads", "head_dim", "latent", "rope_base", "distribution",
                              "format", "seed"});
    SourceEntry entry{{{"kind", "synthetic"}}, Json::object(), {}};
    auto& source = entry.source;
    Json facts = Json::object();
    if (auto const* shape = map.find("shape")) {
        facts = shape_facts_at(*shape, files, vocabulary);
        entry.name = text_of(*shape);
        // config.json says nothing: its folder is called after the model.
        if (entry.name.ends_with(".json"))
            entry.name = std::filesystem::path(files.absolute(*shape, entry.name)).parent_path().filename().string();
    }
    for (auto const* key : {"layers", "kv_heads", "head_dim"}) {
        auto const* own = map.find(key);
        source[key] = own != nullptr        ? Json(whole_number_of(*own, 1, largest_number))
                      : facts.contains(key) ? facts[key]
                                            : Json(whole_number_of(map.at(key), 1, largest_number));
    }
    auto const kv_heads = source["kv_heads"].get<std::uint64_t>();
    auto heads = facts.value("heads", kv_heads);
    if (auto const* own = map.find("heads")) heads = whole_number_of(*own, 1, largest_number);
    if (heads % kv_heads != 0)
        refuse(map.find("heads") != nullptr ? *map.find("heads") : value,
               fmt::format("{} query heads are no multiple of {} KV heads", heads, kv_heads));
    if (heads != kv_heads) source["heads"] = heads;
    auto latent = facts.value("latent", std::uint64_t{0});
    if (auto const* own = map.find("latent")) latent = whole_number_of(*own, 0, largest_number);
    if (latent != 0 && (kv_heads != 1 || latent >= source["head_dim"].get<std::uint64_t>()))
        refuse(map.find("latent") != nullptr ? *map.find("latent") : value,
               fmt::format("a latent of {} channels stands beside others in the one KV head there is", latent));
    if (latent != 0) source["latent"] = latent;

    if (auto const* distribution = map.find("distribution"))
        if (auto name = choice_of(*distribution, "distribution", vocabulary.distributions); name != "llama")
            source["distribution"] = std::move(name);
    auto const* format = map.find("format");
    if (format != nullptr && source.contains("distribution"))
        refuse(*format, "only the llama distribution has formats");
    auto const of_llama = format != nullptr ? whole_number_of(*format, 1, newest_llama_format) : newest_llama_format;
    // Left out at 1, so that ids of cells from before there was another stay.
    if (!source.contains("distribution") && of_llama != 1) source["format"] = of_llama;
    double rope_base = facts.value("rope_base", default_rope_base);
    if (auto const* own = map.find("rope_base")) rope_base = number_of(*own);
    // Below 1, later pairs of channels would turn faster than the first.
    if (rope_base != 0 && rope_base < 1) refuse(map.at("rope_base"), "expected 0 (no RoPE), or a number from 1");
    if (rope_base != default_rope_base && !source.contains("distribution")) source["rope_base"] = spelled(rope_base);

    if (auto const* seed = map.find("seed"))
        if (auto const number = whole_number_of(*seed, 0, std::uint64_t(INT64_MAX)); number != 0)
            source["seed"] = number;
    if (entry.name.empty())
        entry.name = fmt::format("synthetic-{}x{}x{}", source["layers"].get<std::uint64_t>(), kv_heads,
                                 source["head_dim"].get<std::uint64_t>());
    return entry;
}

}  // namespace kvstone
