#include "results/verdict/compare.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <unordered_map>

#include <fmt/format.h>

#include "results/show_text.hpp"

namespace kvstone {
namespace {

/// Says nothing: equal, or a timing that may as well be.
bool silent(Compared const& figure) {
    auto const how = comparing(metrics()[figure.metric]);
    return figure.why.empty() ||
           (how == Comparing::by_time && figure.judgement == Judgement::advisory && figure.why.ends_with("advisory"));
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
        bool const equal = both && place_of(base.figures[i]) == place_of(head.figures[j]) &&
                           metrics()[next.first].deterministic && base.figures[i].value == head.figures[j].value;
        if (!equal || everything) {
            auto figure = compare_figure(all.base, base, all.head, head, next.first, next.second, excuse, options);
            all.timings += comparing(metrics()[next.first]) == Comparing::by_time ? 1U : 0U;
            if (everything || !silent(figure)) {
                auto const judgement = figure.judgement;
                auto why = figure.why;
                all.rows.push_back({&head, std::move(figure), judgement, std::move(why)});
            }
        }
        all.equal += equal ? 1U : 0U;
        skip(base.figures, i, next);
        skip(head.figures, j, next);
    }
}

std::string described(Side const& side) {
    return fmt::format("{}  campaign {}  {}  commit {}{}", side.scenario, side.campaign, side.started_utc,
                       side.git_sha.substr(0, 12), side.git_sha.ends_with("-dirty") ? "-dirty" : "");
}

Json to_json(Side const& side) {
    return {{"name", side.name},
            {"campaign", side.campaign},
            {"scenario", side.scenario},
            {"git_sha", side.git_sha},
            {"toolchain", side.toolchain},
            {"build", side.build},
            {"hardware_class", side.hardware_class},
            {"started_utc", side.started_utc}};
}

QueryValue value_or_null(std::optional<double> const& value) {
    return value && std::isfinite(*value) ? QueryValue(*value) : QueryValue(nullptr);
}

}  // namespace

std::unique_ptr<Comparison> compare_sides(Side base, Side head, CompareOptions const& options, bool everything) {
    auto result = std::make_unique<Comparison>();
    result->base = std::move(base);
    result->head = std::move(head);
    result->circumstances = circumstances(result->base, result->head);
    auto const excuse = result->circumstances.excuse(options.across_toolchains);
    std::unordered_map<std::string, SideCell const*> before;
    for (auto const& cell : result->base.cells) before[cell.cell.id] = &cell;
    for (auto const& cell : result->head.cells) {
        auto const found = before.find(cell.cell.id);
        if (found == before.end()) {
            if (everything) result->rows.push_back({&cell, {}, Judgement::advisory, "new"});
            continue;
        }
        auto const& old = *found->second;
        before.erase(found);
        if (cell.status == "ok" && old.status == "ok") {
            compare_cells(*result, old, cell, excuse, options, everything);
        } else if (cell.status != "ok" && (old.status == "ok" || cell.status != old.status)) {
            bool const absent = cell.status == "missing" || cell.status == "skipped";
            result->rows.push_back(
                {&cell,
                 {},
                 absent ? Judgement::missing : Judgement::failed,
                 fmt::format("{}{}{}; was {}", cell.status, cell.reason.empty() ? "" : ": ", cell.reason, old.status)});
        }
    }
    for (auto const& cell : result->base.cells)
        if (before.contains(cell.cell.id) && cell.status == "ok")
            result->rows.push_back({&cell, {}, Judgement::missing, "the head does not have this cell"});
    for (auto const& row : result->rows) result->judgement = worse(result->judgement, row.judgement);
    return result;
}

QueryResult rows_of(Comparison const& comparison, bool for_people) {
    QueryResult table{{for_people ? "where" : "cell", "codec", "component", "metric", "base", "head", "change", "low",
                       "high", "p", "detectable", "verdict", "why"},
                      {}};
    for (auto const& row : comparison.rows) {
        std::vector<QueryValue> line{for_people ? row.cell->title : row.cell->cell.id, row.cell->cell.codec_name};
        if (row.figure) {
            auto const& figure = *row.figure;
            line.insert(line.end(),
                        {std::string(side_components[figure.component]), std::string(metrics()[figure.metric].name),
                         value_or_null(figure.base), value_or_null(figure.head)});
            for (auto const& value : {figure.change ? std::optional(figure.change->value) : std::nullopt,
                                      figure.change ? figure.change->low : std::nullopt,
                                      figure.change ? figure.change->high : std::nullopt, figure.p, figure.detectable})
                line.push_back(value_or_null(value));
        } else {
            line.resize(table.columns.size() - 2, nullptr);
        }
        line.emplace_back(std::string(name_of(row.judgement)));
        line.emplace_back(row.why);
        table.rows.push_back(std::move(line));
    }
    return table;
}

void print_comparison(std::ostream& out, Comparison const& comparison, TableFormat format, bool colour) {
    auto const* const separator = format == TableFormat::md ? "  \n" : "\n";
    out << "base  " << described(comparison.base) << separator << "head  " << described(comparison.head) << separator;
    for (auto const& difference : comparison.circumstances.differences) out << difference << separator;
    out << '\n';
    if (!comparison.rows.empty()) {
        print(out, rows_of(comparison, true), format, colour);
        out << '\n';
    }
    out << fmt::format(
        "{}: {} cells on both sides, {} deterministic figures equal, {} timings looked at (not interleaved: "
        "`gate --run` judges them)\n",
        name_of(comparison.judgement), comparison.cells, comparison.equal, comparison.timings);
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
            {"equal", comparison.equal},
            {"timings", comparison.timings},
            {"rows", std::move(rows)},
            {"judgement", name_of(comparison.judgement)}};
}

}  // namespace kvstone
