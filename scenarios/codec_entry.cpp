#include "scenarios/codec_entry.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_tokens = 1'000'000'000;

bool is_among(std::vector<std::string> const& names, std::string const& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// A pipeline's text, known to be one and not rules in disguise.
std::string pipeline_of(YamlValue const& value, Vocabulary const& vocabulary) {
    auto const text = codec_text_of(value);
    if (text.find_first_of("{}") != std::string::npos) refuse(value, "expected a pipeline, not rules");
    canonical_codec_at(value, text, vocabulary);
    return text;
}

/// Rules "SELECTOR(RANGES){PIPELINE}" of a map from ranges to pipelines.
void add_ranges(std::vector<std::string>& rules, YamlValue const& value, std::string const& selector,
                Vocabulary const& vocabulary) {
    if (value.kind != YamlValue::Kind::map || value.entries.empty())
        refuse(value, "expected a map from ranges to pipelines", {"{\"0-1\": fp16}"});
    for (auto const& entry : value.entries) {
        if (entry.key.empty() || entry.key.find_first_not_of("0123456789-,") != std::string::npos)
            throw ConfigError(value.path + ": expected ranges", entry.key, {"0", "0-1", "0-1,5"}, entry.key_place);
        rules.push_back(fmt::format("{}({}){{{}}}", selector, entry.key, pipeline_of(entry.value, vocabulary)));
    }
}

/// Pipelines of an item's map by its keys k, v and rest, in the order of rules.
using Pipelines = std::vector<std::pair<std::string, YamlValue const*>>;

/// The stage in front of a codec that drops tokens, as the rest of its text: "policy=knorm,share=.5".
std::string dropping_stage(YamlMap const& map, Vocabulary const& vocabulary) {
    auto const* const keep = map.find("keep");
    if (keep == nullptr) return {};
    auto const stage = fmt::format("keep:{} | ", codec_text_of(*keep));
    canonical_codec_at(*keep, stage + "raw", vocabulary);  // its errors are this key's
    return stage;
}

std::string text_of_rules(YamlMap const& map, Pipelines const& pipelines, Vocabulary const& vocabulary) {
    std::vector<std::string> rules;
    for (auto const* selector : {"layers", "heads"})
        if (auto const* ranges = map.find(selector)) add_ranges(rules, *ranges, selector, vocabulary);
    for (auto const* selector : {"sink", "window"})
        if (auto const* tokens = map.find(selector))
            rules.push_back(fmt::format("{}({}){{raw}}", selector, whole_number_of(*tokens, 1, most_tokens)));
    for (auto const& [selector, pipeline] : pipelines)
        rules.push_back(fmt::format("{}{{{}}}", selector, pipeline_of(*pipeline, vocabulary)));
    return fmt::format("{}", fmt::join(rules, " "));
}

/// The pipelines of each codec that an item's map stands for: all pairs of its K and V, where these are lists.
std::vector<Pipelines> pairs_of(YamlMap const& map) {
    std::vector<Pipelines> all{{}};
    for (auto const* selector : {"k", "v", "rest"}) {
        auto const* const value = map.find(selector);
        if (value == nullptr) continue;
        auto const choices = selector == std::string("rest") ? std::vector{value} : one_or_more(*value);
        std::vector<Pipelines> longer;
        for (auto const& some : all) {
            for (auto const* choice : choices) {
                longer.push_back(some);
                longer.back().emplace_back(selector, choice);
            }
        }
        all = std::move(longer);
    }
    return all;
}

/// Whether the scenario gives it another name than its text.
bool is_named(CodecEntry const& entry) { return entry.name != with_plain_names(entry.text); }

std::vector<SourceCodec> codecs_by_source(YamlValue const& value, std::string const& dropping,
                                          Vocabulary const& vocabulary) {
    if (value.kind != YamlValue::Kind::map || value.entries.empty())
        refuse(value, "expected a map from sources to codecs", {"{tiny: fp16}"});
    std::vector<SourceCodec> codecs;
    for (auto const& entry : value.entries)
        codecs.push_back({entry.key, canonical_codec_at(entry.value, dropping + codec_text_of(entry.value), vocabulary),
                          value.path, entry.key_place});
    return codecs;
}

CodecEntry plain_entry(std::string const& text) { return {text, with_plain_names(text), {}}; }

/// The codecs that an item stands for.
std::vector<CodecEntry> entries_of(YamlValue const& item, Vocabulary const& vocabulary) {
    if (item.kind != YamlValue::Kind::map)
        return {plain_entry(canonical_codec_at(item, codec_text_of(item), vocabulary))};
    std::vector<std::string> const parts{"layers", "heads", "sink", "window", "k", "v", "rest"};
    std::vector<std::string> keys{"name", "codec", "sources", "keep"};
    keys.insert(keys.end(), parts.begin(), parts.end());
    YamlMap const map(item, keys);
    auto const* codec = map.find("codec");
    bool const has_parts = std::any_of(parts.begin(), parts.end(), [&](auto const& key) { return map.find(key); });
    if ((codec != nullptr) == has_parts) refuse(item, "expected either a codec text or its parts", keys);
    auto const dropping = dropping_stage(map, vocabulary);
    std::vector<CodecEntry> entries;
    if (codec != nullptr)
        entries.push_back(plain_entry(canonical_codec_at(*codec, dropping + codec_text_of(*codec), vocabulary)));
    else
        for (auto const& pipelines : pairs_of(map))
            entries.push_back(plain_entry(
                canonical_codec_at(item, dropping + text_of_rules(map, pipelines, vocabulary), vocabulary)));
    auto const* const name = map.find("name");
    auto const* const sources = map.find("sources");
    if (name != nullptr && entries.size() > 1)
        refuse(*name, "one name cannot stand for several codecs: pairs of K and V are named by their texts");
    if (name != nullptr) entries.front().name = text_of(*name);
    if (sources != nullptr) {
        if (name == nullptr) refuse(item, "a codec that differs by source needs a name", {"name: TEXT"});
        entries.front().sources = codecs_by_source(*sources, dropping, vocabulary);
    }
    return entries;
}

/// Adds an entry of an item, or its name where the codec is there already.
void add_entry(std::vector<CodecEntry>& codecs, CodecEntry entry, YamlValue const& item) {
    auto const is_same = [&entry](CodecEntry const& other) {
        return other.text == entry.text && other.sources.empty() && entry.sources.empty();
    };
    auto const shares_name = [&](CodecEntry const& other) {
        if (is_same(other)) return false;
        if (other.name == entry.name || is_among(other.other_names, entry.name)) return true;
        return other.text != entry.text &&
               (other.name == entry.text || other.text == entry.name || is_among(other.other_names, entry.text));
    };
    if (std::any_of(codecs.begin(), codecs.end(), shares_name))
        throw ConfigError(item.path + ": a name of two codecs", entry.name, {}, item.place);
    auto const same = std::find_if(codecs.begin(), codecs.end(), is_same);
    if (same == codecs.end()) {
        codecs.push_back(std::move(entry));
    } else if (is_named(entry) && entry.name != same->name) {
        if (!is_named(*same))
            same->name = std::move(entry.name);
        else if (!is_among(same->other_names, entry.name))
            same->other_names.push_back(std::move(entry.name));
    }
}

}  // namespace

std::string const& CodecEntry::text_for(std::string const& source, std::vector<std::string> const& aliases) const {
    auto const own = std::ranges::find_if(
        sources, [&](auto const& one) { return one.source == source || is_among(aliases, one.source); });
    return own == sources.end() ? text : own->text;
}

void check_source_codecs(std::vector<CodecEntry> const& codecs, std::vector<std::string> const& names) {
    for (auto const& codec : codecs)
        for (auto const& [source, text, path, place] : codec.sources)
            if (!is_among(names, source))
                throw ConfigError(path + ": no such source in this scenario", source, names, place);
}

std::string codec_text_of(YamlValue const& value) {
    auto line = value;
    std::ranges::replace_if(line.text, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    auto const first = line.text.find_first_not_of(' ');
    line.text = first == std::string::npos ? "" : line.text.substr(first, line.text.find_last_not_of(' ') + 1 - first);
    return text_of(line);
}

std::string canonical_codec_at(YamlValue const& value, std::string const& text, Vocabulary const& vocabulary) {
    try {
        return vocabulary.canonical_codec(text);
    } catch (ConfigError const& error) {
        throw ConfigError(value.path + ": " + error.message(), error.offending(), error.accepted(), value.place);
    }
}

std::vector<CodecEntry> codecs_of(YamlValue const& list, Vocabulary const& vocabulary) {
    std::vector<CodecEntry> codecs;
    auto const add = [&](YamlValue const& item) {
        for (auto& entry : entries_of(item, vocabulary)) add_entry(codecs, std::move(entry), item);
    };
    if (list.kind == YamlValue::Kind::map)
        add(list);
    else
        for (auto const& item : items_of(list)) add(item);
    return codecs;
}

}  // namespace kvstone
