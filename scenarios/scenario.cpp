#include "scenarios/scenario.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/claims.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/grid.hpp"
#include "scenarios/measure.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// A planned cell takes about 1.6 kB.
constexpr std::size_t most_cells = 1'000'000;

std::vector<Json> matches_of(YamlValue const* list, Axes const& axes, Vocabulary const& vocabulary, bool strict) {
    std::vector<Json> all;
    if (list != nullptr)
        for (auto const& item : items_of(*list)) all.push_back(match_of(item, axes, vocabulary, strict));
    return all;
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

void expand_into(Plan& plan, YamlMap const& map, Axes const& axes, Vocabulary const& vocabulary,
                 PlanOptions const& options) {
    // An override may take away what the rest of the file still speaks of.
    bool const strict = options.set.empty();
    if (axes.cells() > most_cells)
        refuse(map.at("grid"), fmt::format("spans {} cells; at most {} are accepted", axes.cells(), most_cells));
    if (strict) {
        std::vector<std::string> names;
        for (auto const& source : axes.sources) names.push_back(source.name);
        check_source_codecs(axes.codecs, names);
    }
    auto const exclude = matches_of(map.find("exclude"), axes, vocabulary, strict);
    auto const require = matches_of(map.find("require"), axes, vocabulary, strict);
    if (auto const* published = map.find("published"))
        for (auto const& item : items_of(*published))
            plan.published.push_back(published_of(item, axes, vocabulary, strict));
    if (auto const* targets = map.find("targets"))
        for (auto const& item : items_of(*targets)) plan.targets.push_back(target_of(item, axes, vocabulary, strict));
    auto expansion = expand(axes, exclude, require, options.only);
    for (std::size_t i = 0; i < require.size() && strict; ++i)
        if (!expansion.require_met[i]) refuse(map.at("require").items[i], "no cell is like this");
    if (expansion.cells.empty() && !options.only.empty())
        throw ConfigError("no cell has every word of --only", fmt::format("{}", fmt::join(options.only, " ")));
    if (expansion.cells.empty()) refuse(map.at("exclude"), "leaves no cell");
    for (auto const& cell : expansion.cells)
        if (cell.context == 0 && cell.source.at("kind") == "synthetic")
            refuse(map.at("grid"), "a synthetic source has no length of its own: context must say how many tokens");
    plan.cells = std::move(expansion.cells);
    plan.require = std::move(expansion.required);
}

Plan plan_of(YamlValue const& root, std::string const& stem, std::string const& folder, Vocabulary const& vocabulary,
             PlanOptions const& options) {
    check_version(root);
    YamlMap const map(root, {"kvstone", "name", "sources", "grid", "workloads", "measure", "exclude", "require",
                             "published", "targets"});
    Plan plan;
    plan.scenario = map.find("name") != nullptr ? text_of(map.at("name")) : stem;
    YamlValue const* threads = nullptr;
    if (auto const* measure = map.find("measure")) {
        plan.measure = measure_of(*measure);
        for (auto const& entry : measure->entries)
            if (entry.key == "threads") threads = &entry.value;
    }
    Axes axes;
    axes.files = {folder};
    read_grid(axes, map.at("grid"), threads, vocabulary);
    axes.workloads = workloads_of(map.at("workloads"), axes.files, vocabulary);
    axes.sources = sources_of(map.at("sources"), axes.files, vocabulary);
    expand_into(plan, map, axes, vocabulary, options);
    plan.hash = hash_of(plan.cells, plan.measure);
    return plan;
}

}  // namespace

Plan parse_plan(std::string const& yaml, std::string const& name, std::string const& folder,
                Vocabulary const& vocabulary, PlanOptions const& options) {
    auto root = read_yaml(yaml, name);
    for (auto const& [key, value] : options.set) override_value(root, key, value);
    return plan_of(root, std::filesystem::path(name).stem().string(), folder, vocabulary, options);
}

Plan load_plan(std::string const& path, Vocabulary const& vocabulary, PlanOptions const& options) {
    return parse_plan(read_small_file(path), path, std::filesystem::path(path).parent_path().string(), vocabulary,
                      options);
}

}  // namespace kvstone
