#include "results/verdict/grown_functions.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "results/verdict/cell_pair.hpp"

namespace kvstone {
namespace {

constexpr std::string_view unit = "_instructions";
constexpr std::size_t most_lines = 20;
constexpr double least_growth = 0.005;
constexpr std::size_t longest_name = 100;

/// Of both components: the mean, as both have as many values.
std::map<std::string, double> functions_of(Measurement const& measurement, std::string_view pass,
                                           std::string const& component) {
    std::map<std::string, double> functions;
    double const parts = component == "kv" ? 2 : 1;
    for (auto const& work : measurement.functions)
        if (work.pass == pass && (component == "kv" || work.component == component))
            functions[work.function] += work.instructions / parts;
    return functions;
}

std::string short_name(std::string const& name) {
    if (name.size() <= longest_name) return name;
    return name.substr(0, longest_name) + "...";
}

}  // namespace

std::vector<GrownFunction> grown_functions(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                           std::string const& metric, std::string const& component, std::size_t most) {
    if (!metric.ends_with(unit)) return {};
    auto const pass = metric.substr(0, metric.size() - unit.size());
    Measurement const* sides[2] = {};
    for (auto const& attempt : attempts)
        if (attempt.cell == cell && attempt.phase == "work" && attempt.measurement.status == Status::ok)
            sides[attempt.side == 'A' ? 0 : 1] = &attempt.measurement;
    if (sides[0] == nullptr || sides[1] == nullptr) return {};
    auto const before = functions_of(*sides[0], pass, component);
    std::vector<GrownFunction> grown;
    for (auto const& [name, head] : functions_of(*sides[1], pass, component)) {
        auto const old = before.find(name);
        double const base = old == before.end() ? 0 : old->second;
        if (head > base) grown.push_back({name, base, head});
    }
    std::ranges::stable_sort(grown, std::greater(), [](GrownFunction const& one) { return one.head - one.base; });
    grown.resize(std::min(grown.size(), most));
    return grown;
}

std::vector<std::string> where_work_went(Evidence const& evidence) {
    std::vector<std::string> lines;
    for (auto const& pair : cell_pairs(evidence)) {
        if (!pair.both_ok()) continue;
        for (auto const* name : {"encode_instructions", "decode_instructions"}) {
            auto const metric = metric_index(name);
            for (auto const component : components_of({}, metric, *pair.head)) {
                auto const before = median_value(find_figures(*pair.base, metric, component)),
                           after = median_value(find_figures(*pair.head, metric, component));
                if (!before || !after || *after < (1 + least_growth) * *before || lines.size() == most_lines) continue;
                auto line = fmt::format("{} {} {}: {} {:.4g} to {:.4g} a value", pair.head->title,
                                        pair.head->cell.codec_name, side_components[component], name, *before, *after);
                for (auto const& one : grown_functions(evidence.attempts, pair.head->cell.id, name,
                                                       std::string(side_components[component])))
                    line += fmt::format("; {} {:+.3g} ({:.3g} to {:.3g})", short_name(one.name), one.head - one.base,
                                        one.base, one.head);
                lines.push_back(std::move(line));
            }
        }
    }
    return lines;
}

}  // namespace kvstone
