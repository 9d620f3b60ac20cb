#include "results/query/best.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <tuple>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "results/query/candidates.hpp"
#include "results/query/show_text.hpp"
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

/// The end that has to meet the constraint; where nothing states how sure the figure is, its value counts.
double end_of(Constraint const& constraint, Estimate const& figure) {
    return constraint.bounding_end(figure).value_or(figure.value);
}

double distance_of(Constraint const& constraint, Estimate const& figure) {
    auto const end = end_of(constraint, figure);
    if (constraint.holds_for(end)) return 0;
    return std::abs(end - constraint.bound) / (constraint.bound == 0 ? 1 : std::abs(constraint.bound));
}

bool is_worse(Constraint const& constraint, Estimate const& a, Estimate const& b) {
    auto const end = end_of(constraint, a);
    return constraint.upper ? end > end_of(constraint, b) : end < end_of(constraint, b);
}

/// Of an error the worst of its components counts, as in v_pareto: the figure of both together hides which of them is
/// worse. For all others, the figure of both together.
bool counts(std::string const& metric, std::string const& component, bool together) {
    auto const* const known = find_metric(metric);
    bool const pooled = known != nullptr && known->both == Both::pooled;
    return component == "kv" || pooled || !together;
}

Ranked judge(ParetoRow const& row, Figures const& all, std::vector<Constraint> const& constraints) {
    Ranked ranked{row, {}, true, 0};
    for (auto const& constraint : constraints) {
        auto& worst = ranked.figures.emplace_back();
        auto const found = all.find({row.cell, constraint.metric});
        auto const* const known = find_metric(constraint.metric);
        bool const of_another_process = row.is_command && known != nullptr && is_speed(*known);
        if (found == all.end() || of_another_process) {
            ranked.meets = false;
            ranked.distance = std::numeric_limits<double>::infinity();
            continue;
        }
        auto const& components = found->second;
        bool const together = components.contains("kv");
        for (auto const& [component, figure] : components) {
            if (!counts(constraint.metric, component, together)) continue;
            ranked.meets = ranked.meets && constraint.holds_for(end_of(constraint, figure));
            if (!worst || is_worse(constraint, figure, worst->figure)) worst = {figure, component};
        }
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
    std::vector<Answer> all;
    for (auto& peers : read_peers(store, campaign)) {
        Answer answer{std::move(peers), {}};
        for (auto const& row : answer.peers.rows)
            if (is_judged(row)) answer.ranked.push_back(judge(row, figures, constraints));
        std::ranges::stable_sort(answer.ranked, {}, [](Ranked const& ranked) {
            return std::tuple(!ranked.meets, ranked.distance, *ranked.row.bits_per_value);
        });
        all.push_back(std::move(answer));
    }
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
        for (auto const* part : {"", "_low", "_high", "_component"}) table.columns.push_back(constraint.metric + part);
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
            }
            table.rows.push_back(std::move(row));
        }
    }
    return table;
}

}  // namespace kvstone
