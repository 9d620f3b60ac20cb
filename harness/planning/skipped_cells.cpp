#include "harness/planning/skipped_cells.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codecs/codec.hpp"
#include "harness/planning/plan_of_file.hpp"
#include "harness/workloads/workload.hpp"
#include "scenarios/codec_entry.hpp"

namespace kvstone {
namespace {

std::string why_skipped(Cell const& cell) {
    auto why = skip_reason(cell);
    if (auto const limit = longest_context(cell); why.empty() && limit && cell.context > limit->tokens)
        why = fmt::format("{} of context: {}; accepted: up to {} tokens", cell.context, limit->why, limit->tokens);
    return why;
}

YamlValue const* value_in(YamlValue const* map, std::string const& key) {
    if (map == nullptr) return nullptr;
    auto const found = std::ranges::find(map->entries, key, &YamlEntry::key);
    return found == map->entries.end() ? nullptr : &found->value;
}

/// Whether an item of `grid.codec` stands for a codec, for some source.
bool stands_for(YamlValue const& item, std::string const& codec, Vocabulary const& vocabulary) {
    YamlValue list;
    list.kind = YamlValue::Kind::list;
    list.items = {item};
    try {
        return std::ranges::any_of(codecs_of(list, vocabulary), [&](CodecEntry const& entry) {
            return entry.text == codec ||
                   std::ranges::find(entry.sources, codec, &SourceCodec::text) != entry.sources.end();
        });
    } catch (ConfigError const&) {
        return false;  // names a codec of `codecs:`
    }
}

[[noreturn]] void refuse_codec(Cell const& cell, ScenarioFile const& file, Vocabulary const& vocabulary) {
    auto const root = scenario_values(file);
    auto const* place = value_in(value_in(&root, "grid"), "codec");
    if (place == nullptr) place = &root;
    for (auto const& item : place->items)
        if (stands_for(item, cell.codec, vocabulary)) {
            place = &item;
            break;
        }
    throw ConfigError(
        fmt::format("{}: no cell of this scenario can measure {}: {}", place->path, cell.codec_name, skip_reason(cell)),
        {}, {}, place->place);
}

}  // namespace

std::map<std::string, std::string> skipped_cells(Plan const& plan) {
    std::map<std::string, std::string> skipped;
    for (auto const& cell : plan.cells)
        if (auto why = why_skipped(cell); !why.empty()) skipped[cell.id] = std::move(why);
    return skipped;
}

std::string skipped_text(Plan const& plan, std::map<std::string, std::string> const& skipped) {
    std::map<std::string, std::vector<std::string>> by_reason;
    for (auto const& cell : plan.cells) {
        auto const why = skipped.find(cell.id);
        if (why == skipped.end()) continue;
        auto& cells = by_reason[why->second];
        auto text = fmt::format("{} {}", cell.codec_name, workload_text(cell));
        if (std::ranges::find(cells, text) == cells.end()) cells.push_back(std::move(text));
    }
    std::string text;
    for (auto const& [why, cells] : by_reason)
        text += fmt::format("{}skipped: {}: {}", text.empty() ? "" : "\n", fmt::join(cells, ", "), why);
    return text;
}

void check_dropping_codecs(Plan const& plan, ScenarioFile const& file, Vocabulary const& vocabulary) {
    if (!file.only.empty()) return;
    std::map<std::string, bool> unmeasured;  // whether it drops tokens, and no cell can measure it
    for (auto const& cell : plan.cells) {
        auto const [codec, first] = unmeasured.try_emplace(cell.codec, false);
        if (first) codec->second = Codec::parse(cell.codec).selection().has_value();
        codec->second = codec->second && !skip_reason(cell).empty();
    }
    for (auto const& cell : plan.cells)
        if (unmeasured.at(cell.codec)) refuse_codec(cell, file, vocabulary);
}

}  // namespace kvstone
