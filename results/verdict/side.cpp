#include "results/verdict/side.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <future>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/statistics/median.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

auto key_of(SideFigure const& figure) { return std::tuple(figure.metric, figure.component, figure.process); }

/// Of a component of this build; of another build's the number of components.
std::uint8_t component_index(std::string_view name) {
    auto const found = std::ranges::find(side_components, name);
    return static_cast<std::uint8_t>(found - std::begin(side_components));
}

struct Meant {
    std::string database;
    std::string campaign;  ///< as written; empty: the newest
};

/// "FILE", "FILE:CAMPAIGN" or something in the default database.
Meant database_meant(std::string const& database, std::string const& meant) {
    auto const is_file = [](std::string const& path) { return std::filesystem::is_regular_file(path); };
    if (is_file(meant)) return {meant, {}};
    auto const colon = meant.rfind(':');
    if (colon != std::string::npos && is_file(meant.substr(0, colon)))
        return {meant.substr(0, colon), meant.substr(colon + 1)};
    if (!meant.empty() && !is_file(database))
        throw ConfigError(
            fmt::format("there is no such database file, and no database '{}' either, where this could name "
                        "a campaign",
                        database),
            meant, {"FILE", "FILE:CAMPAIGN", "the name of a campaign of --db FILE"});
    return {database, meant};
}

std::vector<std::string> campaigns(Store const& store, std::string const& condition, std::string const& value) {
    std::vector<std::string> ids;
    for (auto const& row : query(store,
                                 "SELECT c.uid FROM campaign c JOIN build b ON b.id = c.build WHERE " + condition +
                                     " ORDER BY c.resumed_utc DESC, c.id DESC",
                                 {value})
                               .rows)
        ids.push_back(text(row[0]));
    return ids;
}

/// Of campaigns of one commit or night that of the scenario, else the newest.
std::string campaign_of_scenario(Store const& store, std::vector<std::string> const& ids, std::string const& scenario) {
    for (auto const& id : ids)
        if (!query(store, "SELECT 1 FROM campaign WHERE uid = ?1 AND scenario = ?2", {id, scenario}).rows.empty())
            return id;
    return ids[0];
}

std::string campaign_of(Store const& store, std::string const& meant, std::string const& scenario) {
    if (meant.empty() || meant == "latest") return campaign_meant(store, {});
    bool const has_baselines =
        !query(store, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'baseline'").rows.empty();
    if (has_baselines)
        if (auto const found = query(store, "SELECT campaign FROM baseline WHERE name = ?1", {meant}).rows;
            !found.empty())
            return text(found[0][0]);
    if (auto const found = campaigns(store, "c.scenario = ?1", meant); !found.empty()) return found[0];
    if (auto const found = campaigns(store, "c.night = ?1", meant); !found.empty())
        return campaign_of_scenario(store, found, scenario);
    auto const by_id = campaigns(store, "substr(c.uid, 1, length(?1)) = ?1", meant);
    // A full match goes before one of the beginning: a commit before its edits.
    auto const name = build_name_sql("b");
    auto const commits = query(store,
                               fmt::format("WITH named AS (SELECT DISTINCT {0} AS name, ?1 IN (git_sha, {0}) AS whole "
                                           "FROM build b WHERE (substr(git_sha, 1, length(?1)) = ?1 OR substr({0}, 1, "
                                           "length(?1)) = ?1) AND id IN (SELECT build FROM campaign)) SELECT name FROM "
                                           "named WHERE whole OR NOT EXISTS (SELECT 1 FROM named WHERE whole)",
                                           name),
                               {meant})
                             .rows;
    if (by_id.empty() && commits.empty())
        throw ConfigError("no campaign, commit, night, scenario, baseline or database file has this name", meant,
                          {"latest", "a scenario's name", "a night's name (`run --night`)",
                           "digits of a campaign's id (`kvstone show campaigns`)", "digits of a commit",
                           "a build as `show` names it", "FILE", "FILE:CAMPAIGN"});
    if (by_id.size() + commits.size() > 1)
        throw ConfigError("more than one campaign or commit starts with this", meant);
    if (!by_id.empty()) return by_id[0];
    return campaign_of_scenario(store, campaigns(store, name + " = ?1", text(commits[0][0])), scenario);
}

void read_circumstances(Store const& store, Side& side) {
    auto const row =
        query(
            store,
            "SELECT c.scenario, c.started_utc, b.git_sha, b.source_hash, t.uid, b.build_type || ' ' || b.compiler || "
            "' ' "
            "|| b.flags, c.hardware_class, (SELECT hardware_name FROM host WHERE hardware_class = "
            "c.hardware_class LIMIT 1), (SELECT facts FROM host WHERE hardware_class = c.hardware_class ORDER BY id "
            "LIMIT 1), c.night, CASE WHEN json_extract(p.measure, '$.energy') THEN " +
                energy_domains_sql("c.id") +
                " END FROM campaign c JOIN plan p ON p.id = c.plan JOIN build b ON b.id = c.build JOIN toolchain t ON "
                "t.id = b.toolchain WHERE c.uid = ?1",
            {side.campaign})
            .rows.at(0);
    std::string* const members[] = {&side.scenario,  &side.started_utc, &side.git_sha,        &side.source_hash,
                                    &side.toolchain, &side.build,       &side.hardware_class, &side.hardware};
    for (std::size_t i = 0; i < std::size(members); ++i) *members[i] = text(row[i]);
    if (auto const facts = text(row[std::size(members)]); !facts.empty())
        side.hardware_facts = parse_json_or_discard(facts);
    side.night = text(row[std::size(members) + 1]);
    side.energy = text(row[std::size(members) + 2]);
}

/// Cells in plan order, each with the ids of the attempts that count.
std::vector<std::vector<std::int64_t>> read_cells(Store const& store, Side& side) {
    std::vector<std::vector<std::int64_t>> attempts;
    Statement read(
        store.connection(),
        "SELECT cell.uid, cell.workload, cell.options, cell.source_name, cell.context, cell.batch, cell.page, "
        "cell.codec, cell.codec_name, cell.backend, cell.threads, " +
            title_sql("nullif(cell.options, '{}')") +
            ", v.attempt, (SELECT status FROM attempt WHERE id = v.attempt), (SELECT reason FROM attempt WHERE id = "
            "v.attempt) FROM campaign JOIN v_current v ON v.campaign = campaign.id JOIN cell ON cell.id = v.cell WHERE "
            "campaign.uid = ?1 ORDER BY v.position, v.process");
    for (read.with(side.campaign); read.step();) {
        auto id = read.text(0);
        if (side.cells.empty() || side.cells.back().cell.id != id) {
            SideCell cell;
            cell.cell.id = std::move(id);
            cell.cell.workload = read.text(1);
            if (auto const options = read.text(2); options != "{}") cell.cell.options = parse_json(options);
            cell.cell.source_name = read.text(3);
            cell.cell.context = static_cast<std::uint64_t>(read.integer(4));
            cell.cell.batch = static_cast<std::uint64_t>(read.integer(5));
            cell.cell.page = static_cast<std::uint64_t>(read.integer(6));
            cell.cell.codec = read.text(7);
            cell.cell.codec_name = read.text(8);
            cell.cell.backend = read.text(9);
            cell.cell.threads = static_cast<int>(read.integer(10));
            cell.title = read.text(11);
            cell.status = "ok";
            side.cells.push_back(std::move(cell));
            attempts.emplace_back();
        }
        auto& cell = side.cells.back();
        if (read.is_null(12)) {
            if (cell.status == "ok") cell.status = "missing";
        } else {
            attempts.back().push_back(read.integer(12));
            auto const status = read.text(13);
            if (status != "ok" && (cell.status == "ok" || cell.status == "missing")) {
                cell.status = status;
                cell.reason = read.text(14);
            }
        }
    }
    return attempts;
}

void read_figures(Store const& store, Side& side, std::vector<std::vector<std::int64_t>> const& attempts,
                  std::span<std::string const> metrics_wanted) {
    struct Known {
        std::size_t metric = SIZE_MAX;  ///< not wanted
        bool by_items = false;
        bool exact = false;  ///< has no interval
    };
    std::vector<Known> known;  // by the metric's number in this file
    std::string condition;
    for (Statement metric(store.connection(), "SELECT id, name FROM metric"); metric.step();) {
        auto const name = metric.text(1);
        auto const index = metric_index(name);
        bool const wanted = metrics_wanted.empty() || std::ranges::find(metrics_wanted, name) != metrics_wanted.end();
        if (index == metrics().size() || !wanted) continue;
        auto const id = static_cast<std::size_t>(metric.integer(0));
        known.resize(std::max(known.size(), id + 1));
        known[id] = {index, is_accuracy_of_items(name), metrics()[index].deterministic};
        if (!metrics_wanted.empty()) condition += (condition.empty() ? "" : ", ") + std::to_string(id);
    }
    if (!condition.empty()) condition = " AND metric IN (" + condition + ")";
    Statement read(store.connection(),
                   "SELECT metric, component, value, ci_low, ci_high FROM figure WHERE attempt = ?1" + condition);
    Statement items(
        store.connection(),
        "SELECT value FROM sample WHERE attempt = ?1 AND component = ?2 AND metric = (SELECT id FROM metric "
        "WHERE name = ?3) ORDER BY position");
    auto const number = [&](int column) { return read.is_null(column) ? nothing : read.real(column); };
    for (std::size_t i = 0; i < side.cells.size(); ++i) {
        auto& cell = side.cells[i];
        if (cell.status != "ok") continue;
        int process = 0;
        if (i > 0) cell.figures.reserve(side.cells[i - 1].figures.size());
        for (auto const attempt : attempts[i]) {
            for (read.with(attempt); read.step();) {
                auto const id = static_cast<std::size_t>(read.integer(0));
                if (id >= known.size() || known[id].metric == SIZE_MAX) continue;
                auto const* const name = reinterpret_cast<char const*>(sqlite3_column_text(read.handle(), 1));
                auto const component = component_index(name);
                if (component == std::size(side_components)) continue;
                bool const exact = known[id].exact;
                auto& figures = cell.figures;
                figures.push_back({static_cast<std::uint16_t>(known[id].metric), component, process, number(2),
                                   exact ? nothing : number(3), exact ? nothing : number(4)});
                // The file has "kv" before "v": all else is in order where there is one process.
                if (figures.size() > 1 && key_of(figures.back()) < key_of(*(figures.end() - 2)))
                    std::swap(figures.back(), *(figures.end() - 2));
                if (known[id].by_items && process == 0) {
                    auto const metric = metrics()[known[id].metric].name;
                    auto& answers = side.items[{cell.cell.id, std::string(metric), name}];
                    for (items.with(attempt, side_components[component], metric); items.step();)
                        answers.push_back(items.real(0));
                }
            }
            ++process;
        }
        if (!std::ranges::is_sorted(cell.figures, {}, key_of)) std::ranges::sort(cell.figures, {}, key_of);
    }
}

/// A side that is known by its circumstances, and where its cells are still to be read from.
struct FoundSide {
    Store store;
    Side side;

    Side read(std::span<std::string const> metrics_wanted) && {
        ReadTransaction const transaction(store.connection());
        read_figures(store, side, read_cells(store, side), metrics_wanted);
        return std::move(side);
    }
};

FoundSide find_side(std::string const& database, std::string const& meant, std::string const& scenario) {
    auto const where = database_meant(database, meant);
    FoundSide found{Store::open_read_only(where.database), {}};
    auto& [store, side] = found;
    if (where.database != database) side.database = std::filesystem::absolute(where.database).string();
    side.name = meant.empty() ? "latest" : meant;
    side.campaign = campaign_of(store, where.campaign, scenario);
    read_circumstances(store, side);
    auto const attempts = query(store,
                                "SELECT count(*) || ' ' || min(uid) || ' ' || max(uid) FROM attempt WHERE campaign = "
                                "(SELECT id FROM campaign WHERE uid = ?1)",
                                {side.campaign});
    side.attempts = text(attempts.rows.at(0)[0]);
    return found;
}

bool has_baseline(Store const& store, std::string const& name) {
    return !query(store, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'baseline'").rows.empty() &&
           !query(store, "SELECT 1 FROM baseline WHERE name = ?1", {name}).rows.empty();
}

/// Base and head as read_side() takes them, where the head is not named.
std::pair<std::string, std::string> sides_meant(std::string const& database, std::string const& base) {
    auto const where = database_meant(database, base);
    auto const store = Store::open_read_only(where.database);
    auto const& meant = where.campaign;
    bool const newest = meant.empty() || meant == "latest", named = newest || has_baseline(store, meant);
    auto const of_scenario = named ? std::vector<std::string>{} : campaigns(store, "c.scenario = ?1", meant);
    if (!of_scenario.empty() && where.database == database) {
        if (of_scenario.size() == 1)
            throw ConfigError("the scenario has one campaign only: there is nothing to compare it with", meant);
        return {of_scenario[1], of_scenario[0]};
    }
    bool const by_commit_or_night = !named && of_scenario.empty() &&
                                    (!campaigns(store, "c.night = ?1", meant).empty() ||
                                     campaigns(store, "substr(c.uid, 1, length(?1)) = ?1", meant).empty());
    if (by_commit_or_night) return {base, "latest"};
    auto const heads =
        campaigns(Store::open_read_only(database), "c.scenario = ?1", find_side(database, base, {}).side.scenario);
    return {base, heads.empty() ? "latest" : heads[0]};
}

}  // namespace

Side read_side(std::string const& database, std::string const& meant, std::string const& scenario,
               std::span<std::string const> metrics_wanted) {
    return find_side(database, meant, scenario).read(metrics_wanted);
}

std::pair<Side, Side> read_sides(std::string const& database, std::string const& base, std::string const& head,
                                 std::span<std::string const> metrics_wanted) {
    auto const meant = head.empty() ? sides_meant(database, base) : std::pair(base, head);
    auto found = find_side(database, meant.second, {});
    auto reading = std::async(std::launch::async, [&, scenario = found.side.scenario] {
        return read_side(database, meant.first, scenario, metrics_wanted);
    });
    auto head_side = std::move(found).read(metrics_wanted);
    auto base_side = reading.get();
    base_side.name = base;
    head_side.name = head.empty() ? "latest" : head;
    return {std::move(base_side), std::move(head_side)};
}

void expect_two_campaigns(Side const& base, Side const& head) {
    if (base.campaign == head.campaign && base.attempts == head.attempts)
        throw ConfigError(fmt::format("'{}' and '{}' are the same campaign: compared with itself, everything passes",
                                      base.name, head.name),
                          base.campaign, {"two of those that `kvstone show campaigns` lists"});
}

std::span<SideFigure const> find_figures(SideCell const& cell, std::size_t metric, std::size_t component) {
    auto const found = std::ranges::equal_range(cell.figures, std::pair(metric, component), {}, place_of);
    return {found.begin(), found.end()};
}

std::vector<double> sorted_values(std::span<SideFigure const> figures) {
    std::vector<double> values;
    for (auto const& figure : figures)
        if (!std::isnan(figure.value)) values.push_back(figure.value);
    std::ranges::sort(values);
    return values;
}

std::optional<double> median_value(std::span<SideFigure const> figures) {
    auto const values = sorted_values(figures);
    return values.empty() ? std::nullopt : std::optional(median_of_sorted(values));
}

bool is_accuracy_of_items(std::string_view metric) {
    return metric == "acc" || metric == "acc_norm" || metric == "recall_accuracy";
}

void add_measurement(Side& side, SideCell& cell, Measurement const& measurement) {
    if (measurement.status != Status::ok) {
        cell.status = name_of(measurement.status);
        cell.reason = measurement.reason;
        return;
    }
    cell.status = "ok";
    cell.reason.clear();
    int process = 0;
    for (auto const& figure : cell.figures) process = std::max(process, figure.process + 1);
    for (auto const& figure : measurement.figures) {
        auto const metric = metric_index(figure.metric);
        auto const component = component_index(figure.component);
        if (metric == metrics().size() || component == std::size(side_components)) continue;
        cell.figures.push_back({static_cast<std::uint16_t>(metric), component, process, figure.value.value_or(nothing),
                                figure.ci_low.value_or(nothing), figure.ci_high.value_or(nothing)});
    }
    for (auto const& samples : measurement.samples)
        if (process == 0 && is_accuracy_of_items(samples.metric))
            side.items[{cell.cell.id, samples.metric, samples.component}] = samples.values;
    std::ranges::sort(cell.figures, {}, key_of);
}

void add_work(SideCell& cell, Measurement const& measurement) {
    if (measurement.status != Status::ok) {
        cell.uncounted = fmt::format("{}: {}", name_of(measurement.status), measurement.reason);
        return;
    }
    cell.uncounted = "skipped: its attempt counted nothing";
    cell.counted_by = measurement.host.is_object() ? measurement.host.value("hardware_name", "") : "";
    for (auto const& figure : measurement.figures) {
        auto const metric = metric_index(figure.metric);
        auto const component = component_index(figure.component);
        if (metric == metrics().size() || component == std::size(side_components) || !is_work(metrics()[metric]))
            continue;
        cell.figures.push_back(
            {static_cast<std::uint16_t>(metric), component, 0, figure.value.value_or(nothing), nothing, nothing});
        cell.uncounted.clear();
    }
    std::ranges::sort(cell.figures, {}, key_of);
}

std::size_t metric_index(std::string_view name) {
    static auto const known = [] {
        std::unordered_map<std::string_view, std::size_t> indices;
        for (std::size_t i = 0; i < metrics().size(); ++i) indices[metrics()[i].name] = i;
        return indices;
    }();
    auto const found = known.find(name);
    return found == known.end() ? metrics().size() : found->second;
}

}  // namespace kvstone
