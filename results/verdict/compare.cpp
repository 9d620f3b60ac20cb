#include "results/verdict/compare.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <unordered_map>

#include <fmt/format.h>

#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

/// Says nothing: equal, within its margin, or a timing of too few processes to say.
bool silent(Compared const& figure) {
    auto const how = comparing(metrics()[figure.metric]);
    return figure.why.empty() || figure.within_margin ||
           (how == Comparing::by_time && figure.verdict == Verdict::advisory && figure.why.ends_with("advisory"));
}

void compare_cells(Comparison& all, SideCell const& base, SideCell const& head, std::string const& excuse,
                   CompareOptions const& options, bool everything) {
    ++all.cells;
    std::size_t i = 0, j = 0;
    auto const skip = [&](std::vector<SideFigure> const& figures, std::size_t& at, auto const& wanted) {
        while (at < figures.size() && place_of(figures[at]) == wanted) ++at;
    };
    while (i < base.figures.size() || j < head.figures.size()) {
        // The common case first: one process each, a deterministic figure, and it is the same.
        bool const both = i < base.figures.size() && j < head.figures.size();
        auto const next = j == head.figures.size()   ? place_of(base.figures[i])
                          : i == base.figures.size() ? place_of(head.figures[j])
                                                     : std::min(place_of(base.figures[i]), place_of(head.figures[j]));
        auto const how = comparing(metrics()[next.first]);
        bool const there = both && place_of(base.figures[i]) == place_of(head.figures[j]);
        bool const equal = there && (how == Comparing::exactly || how == Comparing::by_count) &&
                           base.figures[i].value == head.figures[j].value;
        if (!equal || everything) {
            auto figure = compare_figure(all.base, base, all.head, head, next.first, next.second, excuse, options);
            bool const of_quality = how != Comparing::by_time && how != Comparing::by_count;
            all.within_margin += of_quality && figure.within_margin ? 1U : 0U;
            all.timings += how == Comparing::by_time ? 1U : 0U;
            if (everything || !silent(figure)) {
                auto const verdict = figure.verdict;
                auto why = figure.why;
                if (how == Comparing::by_time && names_command(head.cell.codec)) why += "; times of another process";
                all.rows.push_back({&head, std::move(figure), verdict, std::move(why)});
            }
        }
        bool const counted = there && how == Comparing::by_count;
        all.equal += equal && !counted ? 1U : 0U;
        all.counts += counted ? 1U : 0U;
        all.equal_counts += equal && counted ? 1U : 0U;
        skip(base.figures, i, next);
        skip(head.figures, j, next);
    }
}

std::string described(Side const& side) {
    auto const night = side.night.empty() ? std::string() : fmt::format("night {}  ", side.night);
    return fmt::format("{}  campaign {}  {}{}  build {}", side.scenario, side.campaign, night, side.started_utc,
                       build_name(side.git_sha, side.source_hash));
}

Json to_json(Side const& side) {
    return {{"name", side.name},
            {"campaign", side.campaign},
            {"scenario", side.scenario},
            {"git_sha", side.git_sha},
            {"source_hash", side.source_hash},
            {"toolchain", side.toolchain},
            {"build", side.build},
            {"hardware_class", side.hardware_class},
            {"started_utc", side.started_utc},
            {"night", side.night.empty() ? Json(nullptr) : Json(side.night)}};
}

QueryValue value_or_null(std::optional<double> const& value) {
    return value && std::isfinite(*value) ? QueryValue(*value) : QueryValue(nullptr);
}

/// "+4.9%"; of accuracies, whose changes are absolute, hundredths.
QueryValue percent_or_null(std::optional<double> const& value) {
    return value && std::isfinite(*value) ? QueryValue(fmt::format("{:+.3g}%", 100 * *value)) : QueryValue(nullptr);
}

/// Cells of one codec that are not there to be compared, in one way.
struct CellGroup {
    ComparedCell const* first = nullptr;
    std::size_t cells = 0;
    bool one_reason = true;
};

std::vector<CellGroup> groups_of(Comparison const& comparison) {
    std::vector<CellGroup> groups;
    for (auto const& row : comparison.rows) {
        if (row.figure) continue;
        auto found = std::ranges::find_if(groups, [&](CellGroup const& group) {
            return group.first->verdict == row.verdict &&
                   group.first->cell->cell.codec_name == row.cell->cell.codec_name;
        });
        if (found == groups.end()) found = groups.insert(groups.end(), {&row, 0, true});
        ++found->cells;
        found->one_reason = found->one_reason && found->first->why == row.why;
    }
    return groups;
}

}  // namespace

std::unique_ptr<Comparison> compare_sides(Side base, Side head, CompareOptions const& options, bool everything) {
    auto result = std::make_unique<Comparison>();
    result->base = std::move(base);
    result->head = std::move(head);
    result->everything = everything;
    result->circumstances = circumstances(result->base, result->head);
    auto const excuse = result->circumstances.excuse(options.across_toolchains);
    std::unordered_map<std::string, SideCell const*> before;
    for (auto const& cell : result->base.cells) before[cell.cell.id] = &cell;
    for (auto const& cell : result->head.cells) {
        auto const found = before.find(cell.cell.id);
        if (found == before.end()) {
            ++result->new_cells;
            if (cell.status != "ok" && cell.status != "skipped") {
                auto const verdict = cell.status == "missing" ? Verdict::missing : Verdict::failed;
                auto const reason = cell.reason.empty() ? "" : ": " + cell.reason;
                result->rows.push_back({&cell, {}, verdict, "new; " + cell.status + reason});
            } else if (everything) {
                result->rows.push_back({&cell, {}, Verdict::advisory, "new"});
            }
            continue;
        }
        auto const& old = *found->second;
        before.erase(found);
        if (cell.status == "ok" && old.status == "ok") {
            compare_cells(*result, old, cell, excuse, options, everything);
        } else if (cell.status == "skipped" && old.status == "skipped") {
            ++result->skipped;
        } else {
            bool const absent = cell.status == "missing" || cell.status == "skipped";
            auto const verdict = cell.status == "ok" ? Verdict::inconclusive
                                 : absent            ? Verdict::missing
                                                     : Verdict::failed;
            auto const told = [](SideCell const& one) {
                return one.status + (one.reason.empty() ? "" : ": ") + one.reason;
            };
            result->rows.push_back({&cell, {}, verdict, fmt::format("{}; was {}", told(cell), told(old))});
        }
    }
    for (auto const& cell : result->base.cells)
        if (before.contains(cell.cell.id) && cell.status == "ok")
            result->rows.push_back({&cell, {}, Verdict::missing, "the head does not have this cell"});
    if (result->cells == 0) result->verdict = Verdict::missing;
    for (auto const& row : result->rows) result->verdict = worse(result->verdict, row.verdict);
    return result;
}

QueryResult rows_of(Comparison const& comparison, bool for_people) {
    QueryResult table{{for_people ? "where" : "cell", "codec", "component", "metric", "base", "head", "change", "low",
                       "high", "p", "detectable", "verdict", "why"},
                      {}};
    auto const last = [&](std::vector<QueryValue> line, Verdict verdict, std::string const& why) {
        line.resize(table.columns.size() - 2, nullptr);
        line.emplace_back(std::string(name_of(verdict)));
        line.emplace_back(why);
        table.rows.push_back(std::move(line));
    };
    bool const count_cells = for_people && !comparison.everything;
    for (auto const& row : comparison.rows) {
        auto const& cell = row.cell->cell;
        if (!row.figure && count_cells) continue;
        std::vector<QueryValue> line{for_people ? row.cell->title : cell.id, cell.codec_name};
        if (row.figure) {
            auto const& figure = *row.figure;
            line.insert(line.end(),
                        {std::string(side_components[figure.component]), std::string(metrics()[figure.metric].name),
                         value_or_null(figure.base), value_or_null(figure.head)});
            for (auto const& value : {figure.change ? std::optional(figure.change->value) : std::nullopt,
                                      figure.change ? figure.change->low : std::nullopt,
                                      figure.change ? figure.change->high : std::nullopt})
                line.push_back(for_people ? percent_or_null(value) : value_or_null(value));
            line.push_back(value_or_null(figure.p));
            line.push_back(value_or_null(figure.detectable));
        }
        last(std::move(line), row.verdict, row.why);
    }
    if (!count_cells) return table;
    for (auto const& group : groups_of(comparison))
        last({group.cells == 1 ? group.first->cell->title : fmt::format("{} cells", group.cells),
              group.first->cell->cell.codec_name},
             group.first->verdict, group.first->why + (group.one_reason ? "" : "; others for other reasons"));
    return table;
}

void print_comparison(std::ostream& out, Comparison const& comparison, TableFormat format, Screen const& screen) {
    bool const markdown = format == TableFormat::md;
    auto const say = [&](std::string const& words, std::size_t indent) {
        out << (markdown ? words + "  " : wrapped(words, screen.columns, indent)) << '\n';
    };
    say("base  " + described(comparison.base), 6);
    say("head  " + described(comparison.head), 6);
    for (auto const& difference : comparison.circumstances.differences) say(difference, 2);
    out << '\n';
    if (!comparison.rows.empty()) {
        std::string said;
        auto const rows =
            said_once(rows_of(comparison, true), {"codec", "metric", "base", "head", "verdict", "why"}, said);
        print(out, rows, format, screen);
        if (!said.empty()) say(said, 2);
        out << '\n';
    }
    auto sum = fmt::format("{}: {} cells on both sides", name_of(comparison.verdict), comparison.cells);
    if (comparison.new_cells > 0) sum += fmt::format(", {} are new", comparison.new_cells);
    if (comparison.skipped > 0) sum += fmt::format(", {} skipped on both sides", comparison.skipped);
    sum += fmt::format(
        "; {} deterministic figures equal, {} others within their margin, {} timings compared (not interleaved: "
        "`gate --run` judges them)",
        comparison.equal, comparison.within_margin, comparison.timings);
    if (comparison.counts > 0)
        sum +=
            fmt::format(", {} counts of work compared, {} of them equal", comparison.counts, comparison.equal_counts);
    out << (markdown ? sum : wrapped(sum, screen.columns, 2)) << '\n';
}

Json to_json(Comparison const& comparison) {
    Json rows = Json::array();
    auto const table = rows_of(comparison, false);
    for (auto const& row : table.rows) {
        Json line = Json::object();
        for (std::size_t i = 0; i < row.size(); ++i)
            std::visit([&](auto const& value) { line[table.columns[i]] = value; }, row[i]);
        rows.push_back(std::move(line));
    }
    return {{"base", to_json(comparison.base)},
            {"head", to_json(comparison.head)},
            {"differences", comparison.circumstances.differences},
            {"cells", comparison.cells},
            {"new_cells", comparison.new_cells},
            {"skipped", comparison.skipped},
            {"equal", comparison.equal},
            {"within_margin", comparison.within_margin},
            {"timings", comparison.timings},
            {"counts", comparison.counts},
            {"equal_counts", comparison.equal_counts},
            {"rows", std::move(rows)},
            {"judgement", name_of(comparison.verdict)}};
}

}  // namespace kvstone
