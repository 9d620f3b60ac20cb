#include "results/verdict/cell_pair.hpp"

#include <set>
#include <unordered_map>

#include <fmt/format.h>

namespace kvstone {
namespace {

std::string told(std::string_view status, std::string const& reason) {
    return fmt::format("{}{}{}", status, reason.empty() ? "" : ": ", reason);
}

Lack lack_on(char const* side, SideCell const* cell, std::size_t metric, std::size_t component) {
    if (cell == nullptr) return {Verdict::missing, fmt::format("the {} does not have this cell", side)};
    if (cell->status != "ok")
        return {is_absent(*cell) ? Verdict::missing : Verdict::failed,
                fmt::format("{}: {}", side, told(cell->status, cell->reason))};
    auto const figures = find_figures(*cell, metric, component);
    auto const name = metrics()[metric].name;
    if (figures.empty() && is_work(metrics()[metric]) && !cell->uncounted.empty())
        return {cell->uncounted.starts_with("skipped") ? Verdict::missing : Verdict::failed,
                fmt::format("{} of the {} was not counted: {}", name, side, cell->uncounted)};
    if (figures.empty()) return {Verdict::missing, fmt::format("the {} has no {}", side, name)};
    if (!median_value(figures)) return {Verdict::missing, fmt::format("{} of the {} is null", name, side)};
    return {};
}

void tell_side(std::vector<std::string>& notices, char const* name, Side const& side, char which,
               std::vector<GateAttempt> const& attempts) {
    std::size_t not_ok = 0, failed = 0;
    SideCell const* first = nullptr;
    std::set<std::string_view> ok;
    for (auto const& cell : side.cells) {
        if (cell.status == "ok") {
            ok.insert(cell.cell.id);
            continue;
        }
        ++not_ok;
        if (first == nullptr || first->reason.empty()) first = &cell;
    }
    if (first != nullptr)
        notices.push_back(fmt::format("the {} is not ok at {} of {} cells; at {}: {}", name, not_ok, side.cells.size(),
                                      first->cell.codec_name, told(first->status, first->reason)));
    Measurement const* last = nullptr;
    for (auto const& attempt : attempts) {
        if (attempt.side != which || attempt.measurement.status == Status::ok || !ok.contains(attempt.cell)) continue;
        ++failed;
        last = &attempt.measurement;
    }
    if (last != nullptr)
        notices.push_back(fmt::format("{} attempts of the {} failed at cells where others were ok ({})", failed, name,
                                      told(name_of(last->status), last->reason)));
}

}  // namespace

std::vector<CellPair> cell_pairs(Evidence const& evidence) {
    std::unordered_map<std::string_view, SideCell const*> before;
    if (evidence.base)
        for (auto const& cell : evidence.base->cells) before[cell.cell.id] = &cell;
    std::vector<CellPair> pairs;
    for (auto const& cell : evidence.head.cells) {
        auto const found = before.find(cell.cell.id);
        pairs.push_back({found == before.end() ? nullptr : found->second, &cell});
        if (found != before.end()) before.erase(found);
    }
    if (evidence.base)
        for (auto const& cell : evidence.base->cells)
            if (before.contains(cell.cell.id)) pairs.push_back({&cell, nullptr});
    return pairs;
}

bool is_absent(SideCell const& cell) { return cell.status == "missing" || cell.status == "skipped"; }

std::vector<std::size_t> components_of_either(std::string const& component, std::size_t metric, CellPair const& pair) {
    std::set<std::size_t> all;
    for (auto const* cell : {pair.head, pair.base})
        if (cell != nullptr)
            for (auto const each : components_of(component, metric, *cell)) all.insert(each);
    return {all.rbegin(), all.rend()};
}

void Lack::add(Lack const& other) {
    verdict = kvstone::worse(verdict, other.verdict);
    if (!why.empty() && !other.why.empty()) why += "; ";
    why += other.why;
}

Lack lack_of(bool relative, CellPair const& pair, std::size_t metric, std::size_t component) {
    Lack lack;
    if (relative) lack.add(lack_on("base", pair.base, metric, component));
    lack.add(lack_on("head", pair.head, metric, component));
    return lack;
}

Costs costs_of(JointRule const& rule, CellPair const& pair, std::size_t component) {
    Costs costs;
    std::size_t compared = 0;
    for (auto const& name : rule.not_with) {
        auto const metric = metric_index(name);
        auto const before = median_value(find_figures(*pair.base, metric, component)),
                   after = median_value(find_figures(*pair.head, metric, component));
        if (!before && !after) continue;  // it is not a figure of this cell
        if (!before || !after) {
            costs.lack.add(lack_of(true, pair, metric, component));
            continue;
        }
        ++compared;
        double const worse = worse_by(metrics()[metric], *before, *after);
        if (worse > rule.tolerance)
            costs.worse += fmt::format("{}{} {:.3g}% worse", costs.worse.empty() ? "" : ", ", name, 100 * worse);
    }
    if (compared == 0 && costs.lack.verdict == Verdict::pass)
        costs.lack = {Verdict::missing, "neither side has the figure that must not get worse"};
    return costs;
}

std::vector<std::string> notices_of_sides(Evidence const& evidence) {
    std::vector<std::string> notices;
    if (evidence.base) tell_side(notices, "base", *evidence.base, 'A', evidence.attempts);
    tell_side(notices, "head", evidence.head, 'B', evidence.attempts);
    return notices;
}

}  // namespace kvstone
