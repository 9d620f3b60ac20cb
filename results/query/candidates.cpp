#include "results/query/candidates.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "results/query/show_text.hpp"
#include "results/query/task_rows.hpp"
#include "results/store/schema.hpp"
#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Figures that v_pareto does not have.
constexpr auto figure_sql = R"sql(
SELECT m.name, v.component, v.value, v.n, v.ci_low, v.ci_high FROM v_value v
JOIN metric m ON m.id = v.metric JOIN campaign c ON c.id = v.campaign JOIN cell x ON x.id = v.cell
WHERE c.uid = ? AND x.uid = ? AND v.value IS NOT NULL
  AND (v.component = 'kv' OR m.name IN ('cache_layers', 'cache_heads', 'cache_head_dim'))
)sql";

/// Its places are for reference_source_sql(), same_cache_sql() and task_title_sql().
constexpr auto row_sql = R"sql(
SELECT p.campaign, p.cell, p.codec, p.codec_name, json_extract(x.source, '$.sha256'),
  x.source || ' ' || p.options || ' ' || coalesce(p.context, 0), json_extract(p.options, '$.protocol'), p.options,
  coalesce(p.context, 0), p.bits_per_value, p.error, p.error_low, p.error_high,
  CASE WHEN p.workload = 'tasks' THEN nullif(p.left_out, 'no error')
    WHEN p.left_out IS NULL AND p.error_metric <> 'kld_mean' THEN 'no error' ELSE p.left_out END, p.reason,
  {} || ' ' || p.options || ' ' || coalesce(p.context, 0),
  coalesce(json_extract(x.source, '$.reference_sha256'), json_extract(x.source, '$.sha256')),
  p.workload = 'tasks', {}, {}
FROM v_pareto p JOIN cell x ON x.uid = p.cell JOIN campaign c ON c.uid = p.campaign
WHERE p.workload IN ('model', 'tasks') AND p.status <> 'missing'
  AND iif(?1 <> '', json_extract(x.source, '$.sha256') = ?1, x.source_name = ?2)
ORDER BY c.resumed_utc DESC, c.id DESC, p.position
)sql";

std::uint64_t whole(double value) { return value > 0 ? static_cast<std::uint64_t>(value) : 0; }

struct CellFigures {
    std::map<std::string, Estimate> together;  ///< of K and V, by metric
    std::map<std::string, double> shape;       ///< "cache_layers k"
    std::uint64_t scored_tokens = 0;
};

CellFigures read_figures(Store const& store, std::string const& campaign, std::string const& cell) {
    CellFigures figures;
    Statement figure(store.connection(), figure_sql);
    figure.with(campaign, cell);
    while (figure.step()) {
        if (figure.text(1) != "kv") {
            figures.shape[figure.text(0) + " " + figure.text(1)] = figure.real(2);
            continue;
        }
        auto& one = figures.together[figure.text(0)];
        one.value = figure.real(2);
        if (!figure.is_null(4)) one.low = figure.real(4);
        if (!figure.is_null(5)) one.high = figure.real(5);
        if (figure.text(0) == "kld_mean") figures.scored_tokens = whole(figure.real(3));
    }
    return figures;
}

void add_figures(CellFigures figures, Candidate& candidate) {
    candidate.figures = std::move(figures.together);
    candidate.scored_tokens = figures.scored_tokens;
    auto const counted = [&](char const* metric) -> std::optional<std::uint64_t> {
        auto const found = candidate.figures.find(metric);
        return found == candidate.figures.end() ? std::nullopt : std::optional(whole(found->second.value));
    };
    candidate.passages = counted("passages");
    candidate.weights_bytes = counted("weights_bytes");
    candidate.compute_bytes = counted("compute_bytes");
    if (candidate.context == 0) candidate.context = counted("context_tokens").value_or(0);
    auto& shape = figures.shape;
    candidate.layers = whole(shape["cache_layers k"]);
    candidate.heads = whole(shape["cache_heads k"]);
    candidate.k_dim = whole(shape["cache_head_dim k"]);
    candidate.v_dim = whole(shape["cache_head_dim v"]);
}

std::string protocol_of(std::vector<Candidate> const& all) {
    for (auto const* protocol : {"decode", "context", "inline"})
        if (std::ranges::any_of(all, [&](auto const& one) { return one.protocol == protocol && one.left_out.empty(); }))
            return protocol;
    return all.empty() ? "" : all.front().protocol;
}

}  // namespace

std::vector<Candidate> candidates(Store const& store, std::string const& sha256, std::string const& name) {
    require_pareto(store);
    std::vector<Candidate> all;
    std::set<std::string> seen;
    std::set<std::string> models;
    std::vector<std::string> caches;  // of each candidate
    std::map<std::string, std::vector<TaskRow>> tasks;
    Statement row(store.connection(),
                  fmt::format(row_sql, reference_source_sql("x.source"), same_cache_sql("x"), task_title_sql("x")));
    row.with(sha256, name);
    while (row.step()) {
        if (!seen.insert(row.text(1)).second) continue;
        auto figures = read_figures(store, row.text(0), row.text(1));
        auto const cache = row.text(18);
        if (row.integer(17) != 0) {
            if (row.is_null(13))
                tasks[cache].push_back({row.text(1), row.text(19), static_cast<std::uint64_t>(row.integer(8)),
                                        row.text(14), std::move(figures.together)});
            continue;
        }
        Candidate candidate;
        candidate.cell = row.text(1);
        candidate.codec = row.text(2);
        candidate.codec_name = row.text(3);
        candidate.sha256 = row.text(4);
        candidate.setting = row.text(5);
        candidate.protocol = row.text(6);
        candidate.options = row.text(7);
        candidate.context = static_cast<std::uint64_t>(row.integer(8));
        if (!row.is_null(9)) candidate.bits_per_value = row.real(9);
        candidate.kld.value = row.real(10);
        if (!row.is_null(11)) candidate.kld.low = row.real(11);
        if (!row.is_null(12)) candidate.kld.high = row.real(12);
        candidate.left_out = row.text(13);
        candidate.reason = row.text(14);
        candidate.measure = row.text(15);
        candidate.reference_sha256 = row.text(16);
        add_figures(std::move(figures), candidate);
        caches.push_back(cache);
        models.insert(candidate.sha256);
        all.push_back(std::move(candidate));
    }
    for (std::size_t i = 0; i < all.size(); ++i)
        if (auto const found = tasks.find(caches[i]); found != tasks.end()) all[i].tasks = found->second;
    if (models.size() > 1)
        throw ConfigError("several models of the database have this name: give the GGUF file", name,
                          {models.begin(), models.end()});
    return all;
}

double deciding_end(Constraint const& constraint, Estimate const& figure) {
    return constraint.bounding_end(figure).value_or(figure.value);
}

bool is_worse(Constraint const& constraint, Estimate const& a, Estimate const& b) {
    auto const of_a = deciding_end(constraint, a), of_b = deciding_end(constraint, b);
    return constraint.upper ? of_a > of_b : of_a < of_b;
}

std::optional<BoundedFigure> figure_for(Candidate const& candidate, Constraint const& bound) {
    if (auto const own = candidate.figures.find(bound.metric); own != candidate.figures.end())
        return BoundedFigure{own->second};
    std::optional<BoundedFigure> worst;
    auto const rank = [&](Estimate const& figure) { return bound.bounding_end(figure).has_value(); };
    for (auto const& task : candidate.tasks) {
        auto const found = task.figures.find(bound.metric);
        if (found == task.figures.end()) continue;
        auto const& figure = found->second;
        auto const rows = worst ? worst->rows + 1 : 1;
        bool const worse = !worst || rank(figure) < rank(worst->figure) ||
                           (rank(figure) == rank(worst->figure) && is_worse(bound, figure, worst->figure));
        if (worse) worst = {figure, &task};
        worst->rows = rows;
    }
    return worst;
}

std::string doubt_of_passages(std::uint64_t passages) {
    if (passages >= passages_for_an_interval) return {};
    return fmt::format(
        "the interval comes from {} passage(s): resampling so few makes it too narrow; measure {} or more", passages,
        passages_for_an_interval);
}

std::vector<std::string> measured_models(Store const& store) {
    std::vector<std::string> names;
    for (auto const& row :
         query(store, "SELECT DISTINCT source_name FROM cell WHERE workload = 'model' ORDER BY source_name").rows)
        names.push_back(text(row[0]));
    return names;
}

std::vector<Candidate> comparable(std::vector<Candidate> const& all, std::string const& protocol,
                                  std::uint64_t context) {
    auto const wanted = protocol.empty() ? protocol_of(all) : protocol;
    std::map<std::string, std::vector<Candidate>> settings;
    for (auto const& candidate : all)
        if (candidate.protocol == wanted) settings[candidate.setting].push_back(candidate);
    // The best place is the smallest: nothing to choose from comes last, then contexts by how near they are.
    auto const place = [&](std::vector<Candidate> const& some) {
        auto const usable = std::ranges::count_if(some, [](auto const& one) { return one.left_out.empty(); });
        auto const measured = some.front().context;
        bool const longer = measured > context;
        return std::tuple(usable == 0, longer, longer ? measured - context : context - measured, -usable);
    };
    std::vector<Candidate> best;
    for (auto const& [setting, some] : settings)
        if (best.empty() || place(some) < place(best)) best = some;
    return best;
}

}  // namespace kvstone
