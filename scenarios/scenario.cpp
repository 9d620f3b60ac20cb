#include "scenarios/scenario.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/claims.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/external_definition.hpp"
#include "scenarios/grid.hpp"
#include "scenarios/measure.hpp"
#include "scenarios/shared_captures.hpp"
#include "scenarios/shared_figures.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// A planned cell takes about 1.6 kB.
constexpr std::size_t most_cells = 1'000'000;

std::vector<std::string> const scenario_keys{"kvstone", "name",    "sources", "codecs", "grid",      "workloads",
                                             "measure", "exclude", "require", "parts",  "published", "targets"};

std::vector<Json> matches_of(YamlValue const* list, Axes const& axes, Vocabulary const& vocabulary,
                             Axes const* before) {
    std::vector<Json> all;
    if (list != nullptr)
        for (auto const& item : items_of(*list)) all.push_back(match_of(item, axes, vocabulary, before));
    return all;
}

/// Words that name parts stand for them.
Only only_of(std::vector<std::string> const& words, YamlValue const* parts, Axes const& axes,
             Vocabulary const& vocabulary, Axes const* before) {
    std::map<std::string, std::vector<Json>> known;
    if (parts != nullptr) {
        if (parts->kind != YamlValue::Kind::map || parts->entries.empty())
            refuse(*parts, "expected named parts", {"parts: {quick: [{context: 512}]}"});
        for (auto const& entry : parts->entries) known[entry.key] = matches_of(&entry.value, axes, vocabulary, before);
    }
    Only only;
    for (auto const& word : words) {
        if (auto const found = known.find(word); found != known.end())
            only.parts.push_back(found->second);
        else
            only.words.push_back(word);
    }
    return only;
}

/// The value of `measure` for threads, which are an axis.
YamlValue const* threads_in(YamlMap const& map) {
    if (auto const* measure = map.find("measure"))
        for (auto const& entry : measure->entries)
            if (entry.key == "threads") return &entry.value;
    return nullptr;
}

/// The axes of the file before --set changed it. An axis that cannot be read so (it may have been
/// changed for that reason) has no values.
Axes axes_before(YamlValue const& written, Axes const& axes, Vocabulary const& vocabulary,
                 std::vector<std::pair<std::string, std::string>> const& set) {
    auto const is_changed = [&](std::string const& section) {
        return std::ranges::any_of(
            set, [&](auto const& one) { return one.first == section || one.first.starts_with(section + "."); });
    };
    auto const try_to = [](auto const& read) {
        try {
            read();
        } catch (ConfigError const&) {
        }
    };
    Axes before = axes;
    if (is_changed("grid") || is_changed("measure")) {
        Axes read;
        read.files = axes.files;
        read.externals = axes.externals;
        try_to([&] {
            YamlMap const map(written, scenario_keys);
            auto grid = read;
            read_grid(grid, map.at("grid"), threads_in(map), vocabulary);
            read = std::move(grid);
        });
        read.sources = std::move(before.sources);
        read.workloads = std::move(before.workloads);
        before = std::move(read);
    }
    if (is_changed("workloads")) {
        before.workloads.clear();
        try_to([&] {
            before.workloads = workloads_of(YamlMap(written, scenario_keys).at("workloads"), axes.files, vocabulary);
        });
    }
    if (is_changed("sources")) {
        before.sources.clear();
        try_to([&] {
            before.sources = sources_of(YamlMap(written, scenario_keys).at("sources"), axes.files, vocabulary);
        });
    }
    return before;
}

/// The version comes first: a file of another one may look different in every other way.
void check_version(YamlValue const& root) {
    if (root.kind != YamlValue::Kind::map) refuse(root, "expected a scenario", {"kvstone: 1"});
    for (auto const& entry : root.entries) {
        if (entry.key != "kvstone") continue;
        if (entry.value.kind != YamlValue::Kind::scalar || entry.value.quoted || entry.value.text != "1")
            refuse(entry.value, "unknown version of scenarios", {"1"});
        return;
    }
    throw ConfigError("missing key", "kvstone", {"kvstone: 1"}, root.place);
}

std::string hash_of(std::vector<Cell> const& cells, Measure const& measure) {
    std::vector<std::string> ids;
    for (auto const& cell : cells) ids.push_back(cell.id);
    std::sort(ids.begin(), ids.end());
    return short_hash(fmt::format("{}\n{}", fmt::join(ids, "\n"), to_json(measure).dump()));
}

/// Refuses items of `require` that no cell is like. With --set, an item may be like a cell of the file as it is written.
void check_required(YamlMap const& map, Axes const& axes, Axes const* before, Expansion const& expansion,
                    Vocabulary const& vocabulary) {
    auto const& met = expansion.require_met;
    if (std::ranges::all_of(met, [](bool one) { return one; })) return;
    std::vector<bool> met_before(met.size(), false);
    if (before != nullptr) {
        auto const size = before->cells();
        if (size == 0 || size > most_cells) return;  // not known, or too many to look
        met_before = expand(*before, matches_of(map.find("exclude"), *before, vocabulary, &axes),
                            matches_of(map.find("require"), *before, vocabulary, &axes), {})
                         .require_met;
    }
    for (std::size_t i = 0; i < met.size(); ++i)
        if (!met[i] && !met_before[i]) refuse(map.at("require").items[i], "no cell is like this");
}

/// Refuses a context that is too long for every cell of it.
void check_contexts(YamlMap const& map, std::vector<Cell> const& cells, Vocabulary const& vocabulary) {
    if (!vocabulary.longest_context) return;
    std::map<std::uint64_t, std::optional<ContextLimit>> too_long;  // nothing: a cell can have it
    for (auto const& cell : cells) {
        auto const [length, first] = too_long.try_emplace(cell.context);
        if (!first && !length->second) continue;
        auto limit = vocabulary.longest_context(cell);
        if (!limit || cell.context <= limit->tokens)
            length->second.reset();
        else if (first || limit->tokens > length->second->tokens)
            length->second = std::move(limit);
    }
    if (std::ranges::none_of(too_long, [](auto const& length) { return length.second.has_value(); })) return;
    YamlMap const grid(map.at("grid"), {"context", "codec", "backend", "batch", "page", "threads"});
    for (auto const& item : items_of(grid.at("context")))
        if (auto const length = too_long.find(tokens_of(item)); length != too_long.end() && length->second)
            refuse(item, fmt::format("no source of this scenario can have so long a context: {}", length->second->why),
                   {fmt::format("up to {} tokens", length->second->tokens)});
}

/// Refuses a definition that no codec of the grid names.
void check_all_used(YamlMap const& map, Axes const& axes) {
    auto const names = [&axes](CodecEntry const& codec, std::string const& name) {
        auto const in = [&](std::string const& text) {
            return std::ranges::any_of(definitions_in(text, axes.externals),
                                       [&](auto const& one) { return one.name == name; });
        };
        return in(codec.text) || std::ranges::any_of(codec.sources, [&](auto const& own) { return in(own.text); });
    };
    for (auto const& [name, place, value] :
         map.find("codecs") == nullptr ? std::vector<YamlEntry>{} : map.at("codecs").entries)
        if (std::ranges::none_of(axes.codecs, [&](auto const& codec) { return names(codec, name); }))
            throw ConfigError("codecs: no codec of the grid uses it", name,
                              {fmt::format("grid: {{codec: [{}]}}", name)}, place);
}

/// `before`: see axes_before(); null where nothing was set.
void expand_into(Plan& plan, YamlMap const& map, Axes const& axes, Axes const* before, Vocabulary const& vocabulary,
                 PlanOptions const& options) {
    if (axes.cells() > most_cells)
        refuse(map.at("grid"), fmt::format("spans {} cells; at most {} are accepted", axes.cells(), most_cells));
    if (before == nullptr || !before->sources.empty()) {
        std::vector<std::string> names;
        for (auto const& source : axes.sources) {
            names.push_back(source.name);
            names.insert(names.end(), source.other_names.begin(), source.other_names.end());
        }
        if (before != nullptr)
            for (auto const& source : before->sources) names.push_back(source.name);
        check_source_codecs(axes.codecs, names);
    }
    auto const exclude = matches_of(map.find("exclude"), axes, vocabulary, before);
    auto const require = matches_of(map.find("require"), axes, vocabulary, before);
    if (auto const* published = map.find("published"))
        for (auto const& item : items_of(*published))
            plan.published.push_back(published_of(item, axes, vocabulary, before));
    if (auto const* targets = map.find("targets"))
        for (auto const& item : items_of(*targets)) plan.targets.push_back(target_of(item, axes, vocabulary, before));
    auto expansion = expand(axes, exclude, require, only_of(options.only, map.find("parts"), axes, vocabulary, before));
    check_required(map, axes, before, expansion, vocabulary);
    if (expansion.cells.empty() && !options.only.empty())
        throw ConfigError("no cell has every word of --only", fmt::format("{}", fmt::join(options.only, " ")));
    if (expansion.cells.empty()) refuse(map.at("exclude"), "leaves no cell");
    for (auto const& cell : expansion.cells)
        if (cell.context == 0 && cell.source.at("kind") == "synthetic")
            refuse(map.at("grid"), "a synthetic source has no length of its own: context must say how many tokens");
    check_contexts(map, expansion.cells, vocabulary);
    std::set<std::pair<std::string, std::string>> checked;
    for (auto const& cell : expansion.cells) {
        if (!vocabulary.check_codec || !checked.emplace(cell.codec, cell.source.dump()).second) continue;
        try {
            vocabulary.check_codec(cell.codec, cell.source);
        } catch (ConfigError const& error) {
            throw ConfigError(fmt::format("grid: codec {}: {}", cell.codec_name, error.message()), error.offending(),
                              error.accepted(), map.at("grid").place);
        }
    }
    if (before == nullptr) check_all_used(map, axes);
    share_figures(expansion.cells, expansion.required, vocabulary);
    share_captures(expansion.cells, vocabulary);
    plan.cells = std::move(expansion.cells);
    plan.require = std::move(expansion.required);
}

/// `written`: the root before --set; null where nothing was set.
Plan plan_of(YamlValue const& root, YamlValue const* written, std::string const& stem, std::string const& folder,
             Vocabulary const& words, PlanOptions const& options) {
    check_version(root);
    YamlMap const map(root, scenario_keys);
    Plan plan;
    plan.scenario = map.find("name") != nullptr ? text_of(map.at("name")) : stem;
    if (auto const* measure = map.find("measure")) plan.measure = measure_of(*measure);
    Axes axes;
    axes.files = {folder};
    if (auto const* codecs = map.find("codecs")) axes.externals = external_definitions_of(*codecs, axes.files, words);
    auto const vocabulary = with_externals(words, axes.externals);
    read_grid(axes, map.at("grid"), threads_in(map), vocabulary);
    axes.workloads = workloads_of(map.at("workloads"), axes.files, vocabulary);
    axes.sources = sources_of(map.at("sources"), axes.files, vocabulary);
    std::optional<Axes> before;
    if (written != nullptr) before = axes_before(*written, axes, vocabulary, options.set);
    expand_into(plan, map, axes, before ? &*before : nullptr, vocabulary, options);
    plan.hash = hash_of(plan.cells, plan.measure);
    return plan;
}

}  // namespace

Plan parse_plan(std::string const& yaml, std::string const& name, std::string const& folder,
                Vocabulary const& vocabulary, PlanOptions const& options) {
    auto const written = read_yaml(yaml, name);
    auto root = written;
    for (auto const& [key, value] : options.set) override_value(root, key, value);
    return plan_of(root, options.set.empty() ? nullptr : &written, std::filesystem::path(name).stem().string(), folder,
                   vocabulary, options);
}

Plan load_plan(std::string const& path, Vocabulary const& vocabulary, PlanOptions const& options) {
    return parse_plan(read_small_file(path), path, std::filesystem::path(path).parent_path().string(), vocabulary,
                      options);
}

}  // namespace kvstone
