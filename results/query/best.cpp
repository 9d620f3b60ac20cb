#include "results/query/best.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <set>
#include <tuple>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "results/query/candidates.hpp"
#include "results/query/show_text.hpp"
#include "results/query/task_rows.hpp"
#include "results/record/metrics.hpp"
#include "results/record/wrapped.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// Below so many processes, or samples of one, the median has no 95% interval (combine.cpp).
constexpr std::int64_t least_processes = 6;

/// Of a cell's metric: figures by component.
using Figures = std::map<std::pair<std::string, std::string>, std::map<std::string, Estimate>>;

Figures read_figures(Store const& store, std::string const& campaign, std::vector<Constraint> const& constraints) {
    Figures figures;
    Statement row(store.connection(),
                  "SELECT x.uid, v.component, v.value, v.ci_low, v.ci_high FROM v_value v JOIN metric m ON m.id = "
                  "v.metric JOIN campaign c ON c.id = v.campaign JOIN cell x ON x.id = v.cell WHERE c.uid = ? AND "
                  "m.name = ? AND v.value IS NOT NULL");
    for (auto const& constraint : constraints) {
        row.with(campaign, constraint.metric);
        while (row.step()) {
            Estimate figure{row.real(2), {}, {}};
            if (!row.is_null(3)) figure.low = row.real(3);
            if (!row.is_null(4)) figure.high = row.real(4);
            figures[{row.text(0), constraint.metric}][row.text(1)] = figure;
        }
    }
    return figures;
}

double distance_of(Constraint const& constraint, Estimate const& figure) {
    auto const end = deciding_end(constraint, figure);
    if (constraint.holds_for(end)) return 0;
    return std::abs(end - constraint.bound) / (constraint.bound == 0 ? 1 : std::abs(constraint.bound));
}

/// Of an error the worst of its components counts, as in v_pareto: the figure of both together hides which of them is
/// worse. For all others, the figure of both together.
bool counts(std::string const& metric, std::string const& component, bool together) {
    auto const* const known = find_metric(metric);
    bool const pooled = known != nullptr && known->both == Both::pooled;
    return component == "kv" || pooled || !together;
}

/// The figure of a cell that decides about a constraint; nothing where it has none.
std::optional<WorstFigure> worst_of(std::string const& cell, Figures const& all, Constraint const& constraint) {
    auto const found = all.find({cell, constraint.metric});
    if (found == all.end()) return std::nullopt;
    std::optional<WorstFigure> worst;
    auto const& components = found->second;
    bool const together = components.contains("kv");
    for (auto const& [component, figure] : components)
        if (counts(constraint.metric, component, together) && (!worst || is_worse(constraint, figure, worst->figure)))
            worst = WorstFigure{figure, component, {}};
    return worst;
}

/// The worst figure of rows of workload tasks.
std::optional<WorstFigure> worst_of(std::vector<TaskCell> const& tasks, Figures const& all,
                                    Constraint const& constraint) {
    std::optional<WorstFigure> worst;
    std::size_t rows = 0;
    for (auto const& task : tasks) {
        auto found = worst_of(task.cell, all, constraint);
        if (!found) continue;
        ++rows;
        if (worst && !is_worse(constraint, found->figure, worst->figure)) continue;
        worst = std::move(found);
        worst->task = task.title;
    }
    if (rows > 1) worst->task += fmt::format(", the worst of {} rows", rows);
    return worst;
}

Ranked judge(ParetoRow const& row, Figures const& all, std::vector<Constraint> const& constraints,
             TasksOfCells const& tasks) {
    Ranked ranked{row, {}, true, 0};
    for (auto const& constraint : constraints) {
        auto& worst = ranked.figures.emplace_back();
        auto const* const known = find_metric(constraint.metric);
        bool const of_another_process = row.is_command && known != nullptr && is_speed(*known);
        if (!of_another_process) worst = worst_of(row.cell, all, constraint);
        if (auto const others = tasks.find(row.cell); !worst && !of_another_process && others != tasks.end())
            worst = worst_of(others->second, all, constraint);
        if (!worst) {
            ranked.meets = false;
            ranked.distance = std::numeric_limits<double>::infinity();
            continue;
        }
        ranked.meets = ranked.meets && constraint.holds_for(deciding_end(constraint, worst->figure));
        ranked.distance = std::max(ranked.distance, distance_of(constraint, worst->figure));
    }
    return ranked;
}

std::int64_t processes_of(Store const& store, std::string const& campaign) {
    Statement plan(store.connection(),
                   "SELECT plan.processes FROM campaign JOIN plan ON plan.id = campaign.plan WHERE campaign.uid = ?");
    return plan.with(campaign).step() ? plan.integer(0) : 1;
}

std::string figures_text(Ranked const& ranked, std::vector<Constraint> const& constraints, std::int64_t processes) {
    std::string text;
    for (std::size_t i = 0; i < constraints.size(); ++i) {
        auto const& worst = ranked.figures[i];
        text += fmt::format("{}{} ", i == 0 ? "" : ", ", constraints[i].metric);
        if (!worst) {
            text += "not measured";
            continue;
        }
        auto const& figure = worst->figure;
        text += fmt::format("{:.4g}", figure.value);
        if (worst->component != "kv") text += " of " + worst->component;
        if (figure.low && figure.high) text += fmt::format(" ({})", interval_text(figure));
        if (!worst->task.empty()) text += fmt::format(" of {}", worst->task);
        if (!constraints[i].bounding_end(figure))
            text += processes < least_processes
                        ? fmt::format(" (no interval: {} processes, and it takes {}; the value alone counts)",
                                      processes, least_processes)
                        : " (no interval: the value alone counts)";
    }
    return text;
}

/// A codec without an error to plot has the figures that constraints name, or lacks them as any other.
bool is_judged(ParetoRow const& row) { return row.left_out.empty() || row.left_out == "no error"; }

void show_answer(std::ostream& out, Screen const& screen, Answer const& answer,
                 std::vector<Constraint> const& constraints, std::int64_t processes) {
    auto const say = [&](std::string const& words) { fmt::print(out, "{}\n", wrapped(words, screen.columns, 2)); };
    fmt::print(out, "\n{}\n", screen.bold(wrapped(answer.peers.title, screen.columns, 2)));
    auto const line = [&](Ranked const& ranked) {
        return fmt::format("{}: {:.3f} bits per value, {}{}", ranked.row.codec_name, *ranked.row.bits_per_value,
                           figures_text(ranked, constraints, processes),
                           ranked.row.reason.empty() ? "" : "; " + ranked.row.reason);
    };
    if (answer.ranked.empty()) {
        say("No codec to judge.");
    } else if (!answer.ranked.front().meets) {
        say("No codec meets this. The nearest is " + line(answer.ranked.front()));
    } else {
        say(line(answer.ranked.front()));
        std::vector<std::string> others;
        for (auto const& ranked : answer.ranked)
            if (ranked.meets && &ranked != &answer.ranked.front())
                others.push_back(fmt::format("{} ({:.3f})", ranked.row.codec_name, *ranked.row.bits_per_value));
        if (!others.empty()) say(fmt::format("Also: {}", fmt::join(others, ", ")));
    }
    auto others = answer.peers;
    std::erase_if(others.rows, is_judged);
    if (auto const left_out = left_out_text(others); !left_out.empty()) say("Left out: " + left_out);
}

std::set<std::string> judged_cells(std::vector<Peers> const& groups) {
    std::set<std::string> cells;
    for (auto const& peers : groups)
        for (auto const& row : peers.rows)
            if (is_judged(row)) cells.insert(row.cell);
    return cells;
}

/// Whether each constraint's figure is there in some row of the group.
bool has_all(Peers const& peers, Figures const& figures, std::vector<Constraint> const& constraints) {
    return std::ranges::all_of(constraints, [&](Constraint const& constraint) {
        return std::ranges::any_of(peers.rows, [&](ParetoRow const& row) {
            return is_judged(row) && figures.contains({row.cell, constraint.metric});
        });
    });
}

/// Of the first codec's figures, where one of them has an interval over passages.
std::string doubt_of(Store const& store, std::string const& campaign, Answer const& answer) {
    if (answer.ranked.empty()) return {};
    auto const& first = answer.ranked.front();
    if (std::ranges::none_of(first.figures, [](auto const& worst) { return worst && worst->figure.low; })) return {};
    Statement passages(store.connection(),
                       "SELECT v.value FROM v_value v JOIN metric m ON m.id = v.metric JOIN campaign c ON c.id = "
                       "v.campaign JOIN cell x ON x.id = v.cell WHERE c.uid = ? AND x.uid = ? AND m.name = 'passages'");
    passages.with(campaign, first.row.cell);
    return passages.step() ? doubt_of_passages(static_cast<std::uint64_t>(passages.real(0))) : std::string();
}

bool has_any(Answer const& answer) {
    return std::ranges::any_of(answer.ranked, [](Ranked const& ranked) {
        return std::ranges::any_of(ranked.figures, [](auto const& worst) { return worst.has_value(); });
    });
}

}  // namespace

std::vector<Answer> answers(Store const& store, std::string const& campaign,
                            std::vector<Constraint> const& constraints) {
    auto const figures = read_figures(store, campaign, constraints);
    auto groups = read_peers(store, campaign);
    // Rows of several workloads are joined where those of one cannot tell.
    TasksOfCells tasks;
    if (constraints.size() > 1 &&
        std::ranges::none_of(groups, [&](Peers const& peers) { return has_all(peers, figures, constraints); }))
        tasks = tasks_of_cells(store, campaign, judged_cells(groups));
    std::vector<Answer> all;
    std::set<std::string> joined;
    for (auto& peers : groups) {
        Answer answer{std::move(peers), {}};
        for (auto const& row : answer.peers.rows)
            if (is_judged(row)) answer.ranked.push_back(judge(row, figures, constraints, tasks));
        std::ranges::stable_sort(answer.ranked, {}, [](Ranked const& ranked) {
            return std::tuple(!ranked.meets, ranked.distance, *ranked.row.bits_per_value);
        });
        for (auto const& ranked : answer.ranked)
            if (std::ranges::any_of(ranked.figures, [](auto const& worst) { return worst && !worst->task.empty(); }))
                for (auto const& task : tasks.at(ranked.row.cell)) joined.insert(task.cell);
        all.push_back(std::move(answer));
    }
    // Their figures are told beside the KLD.
    std::erase_if(all, [&](Answer const& answer) {
        return std::ranges::any_of(answer.peers.rows, [&](auto const& row) { return joined.contains(row.cell); });
    });
    return all;
}

void show_best(Store const& store, std::ostream& out, std::vector<Constraint> const& constraints,
               ShowOptions const& options) {
    auto const campaign = campaign_meant(store, options.campaign);
    auto const all = answers(store, campaign, constraints);
    std::vector<std::string> asked;
    for (auto const& constraint : constraints) asked.push_back(constraint.text());
    fmt::print(out, "{}\n",
               wrapped(fmt::format(
                           "The codec with the fewest bits per value in campaign {} whose whole 95% interval meets {}.",
                           campaign, fmt::join(asked, " and ")),
                       options.screen.columns));
    auto const processes = processes_of(store, campaign);
    bool any = false;
    for (auto const& answer : all) {
        if (!has_any(answer)) continue;
        any = true;
        show_answer(out, options.screen, answer, constraints, processes);
        if (auto const doubt = doubt_of(store, campaign, answer); !doubt.empty())
            fmt::print(out, "{}\n", wrapped("Note: " + doubt, options.screen.columns, 2));
    }
    if (!any) fmt::print(out, "\nNo cell with status ok has such a figure.\n");
}

QueryResult best_rows(Store const& store, std::vector<Constraint> const& constraints, std::string const& campaign) {
    QueryResult table{{"group", "codec_name", "cell", "bits_per_value", "meets", "best"}, {}};
    for (auto const& constraint : constraints)
        for (auto const* part : {"", "_low", "_high", "_component", "_task"})
            table.columns.push_back(constraint.metric + part);
    for (auto const& answer : answers(store, campaign_meant(store, campaign), constraints)) {
        if (!has_any(answer)) continue;
        for (auto const& ranked : answer.ranked) {
            std::vector<QueryValue> row{answer.peers.title,
                                        ranked.row.codec_name,
                                        ranked.row.cell,
                                        *ranked.row.bits_per_value,
                                        std::int64_t{ranked.meets},
                                        std::int64_t{ranked.meets && &ranked == &answer.ranked.front()}};
            for (auto const& worst : ranked.figures) {
                auto const add = [&](std::optional<double> value) {
                    row.push_back(value ? QueryValue(*value) : QueryValue(nullptr));
                };
                add(worst ? std::optional(worst->figure.value) : std::nullopt);
                add(worst ? worst->figure.low : std::nullopt);
                add(worst ? worst->figure.high : std::nullopt);
                row.push_back(worst ? QueryValue(worst->component) : QueryValue(nullptr));
                row.push_back(worst && !worst->task.empty() ? QueryValue(worst->task) : QueryValue(nullptr));
            }
            table.rows.push_back(std::move(row));
        }
    }
    return table;
}

}  // namespace kvstone
