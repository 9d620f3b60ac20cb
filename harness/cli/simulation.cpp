#include "harness/cli/simulation.hpp"

#include <charconv>
#include <cmath>
#include <iostream>

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "harness/cli/progress.hpp"
#include "results/query/query.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr int most_nodes = 100'000;

/// A number of --simulate, with the least and the most that it may be.
struct Setting {
    char const* key;
    double least;
    double most;
    void (*set)(SimulationRequest& request, double value);
};

constexpr Setting settings[] = {
    {"nodes", 1, most_nodes, [](auto& request, double value) { request.nodes.push_back(static_cast<int>(value)); }},
    {"mtbf", 1e-3, 1e9, [](auto& request, double value) { request.options.mtbf_h = value; }},
    {"back", 0, 1e6, [](auto& request, double value) { request.options.back_min = value; }},
    {"notice", 0, 1e6, [](auto& request, double value) { request.options.notice_s = value; }},
    {"spread", 0, 3,
     [](auto& request, double value) {
         request.options.spread = value;
         request.spread_given = true;
     }},
    {"attempt", 0, 1e6, [](auto& request, double value) { request.options.attempt_s = value / 1e3; }},
    {"transaction", 0, 1e6, [](auto& request, double value) { request.options.transaction_s = value / 1e3; }},
    {"seed", 0, 1e15, [](auto& request, double value) { request.options.seed = static_cast<std::uint64_t>(value); }},
};
std::vector<std::string> const accepted = {
    "nodes=N,N,... (1 to 100000)",
    "mtbf=HOURS between failures of one node (0.001 to 1e9; left out: none fails)",
    "back=MINUTES until a lost node is there again (left out or 0: never)",
    "notice=SECONDS until a loss is known (1)",
    "spread=DEVIATION of ln(cost / estimate) (0 to 3)",
    "attempt=MILLISECONDS of the coordinator per attempt (1)",
    "transaction=MILLISECONDS of the coordinator per transaction of all that came in together (3)",
    "seed=N (1)"};

void apply(SimulationRequest& request, std::string const& key, std::string const& text, std::string const& all) {
    for (auto const& setting : settings) {
        if (key != setting.key) continue;
        double value = 0;
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        bool const whole = key == "nodes" || key == "seed";
        if (error != std::errc{} || end != text.data() + text.size() || !(value >= setting.least) ||
            value > setting.most || (whole && value != std::floor(value)))
            throw ConfigError(fmt::format("--simulate: {} cannot be '{}'", key, text), all, accepted);
        return setting.set(request, value);
    }
    throw ConfigError(fmt::format("--simulate: there is no '{}'", key), all, accepted);
}

}  // namespace

SimulationRequest SimulationRequest::parse(std::string const& text) {
    SimulationRequest request;
    auto const usual = std::exchange(request.nodes, {});
    std::string key = "nodes";
    for (std::size_t start = 0; start <= text.size();) {
        auto const comma = std::min(text.find(',', start), text.size());
        auto part = text.substr(start, comma - start);
        start = comma + 1;
        auto const equals = part.find('=');
        if (equals != std::string::npos) {
            key = part.substr(0, equals);
            part.erase(0, equals + 1);
        } else if (key != "nodes") {
            throw ConfigError("--simulate takes KEY=VALUE,...", text, accepted);
        }
        apply(request, key, part, text);
    }
    if (request.nodes.empty()) request.nodes = usual;
    return request;
}

std::string assumptions(SimulationRequest const& request, bool spread_recorded) {
    auto const& options = request.options;
    auto const failures =
        options.mtbf_h == 0
            ? std::string("no node fails")
            : fmt::format(
                  "a node fails every {:g} h and {}, which is noticed after {:g} s", options.mtbf_h,
                  options.back_min == 0 ? "stays away" : fmt::format("is back after {:g} min", options.back_min),
                  options.notice_s);
    return fmt::format(
        "simulated: one worker a node, {:g} ms of the coordinator per attempt and {:g} per transaction, costs spread "
        "by {:.2g} around their "
        "estimates ({}), {}, seed {}",
        1e3 * options.attempt_s, 1e3 * options.transaction_s, options.spread,
        request.spread_given ? "given"
        : spread_recorded    ? "as recorded"
                             : "assumed",
        failures, options.seed);
}

Json to_json(SimulationRequest const& request, std::vector<Simulation> const& results) {
    auto const& options = request.options;
    Json rows = Json::array();
    for (auto const& result : results)
        rows.push_back({{"nodes", result.nodes},
                        {"makespan_s", result.makespan_s},
                        {"efficiency", result.efficiency},
                        {"coordinator_load", result.coordinator_load},
                        {"attempts_per_s", result.attempts_per_s},
                        {"measured", result.measured},
                        {"quarantined", result.quarantined},
                        {"missing", result.missing},
                        {"lost_attempts", result.lost_attempts},
                        {"lost_s", result.lost_s}});
    return {{"spread", options.spread},     {"mtbf_h", options.mtbf_h},       {"back_min", options.back_min},
            {"notice_s", options.notice_s}, {"attempt_s", options.attempt_s}, {"transaction_s", options.transaction_s},
            {"seed", options.seed},         {"results", std::move(rows)}};
}

void print_simulations(std::vector<Simulation> const& results) {
    QueryResult table{{"nodes", "makespan", "efficiency", "attempts/s", "coordinator", "measured", "lost attempts",
                       "lost work", "quarantined", "missing"},
                      {}};
    for (auto const& result : results)
        table.rows.push_back(
            {std::int64_t{result.nodes}, duration_text(result.makespan_s),
             fmt::format("{:.1f}%", 100 * result.efficiency), fmt::format("{:.3g}", result.attempts_per_s),
             fmt::format("{:.1f}%", 100 * result.coordinator_load), static_cast<std::int64_t>(result.measured),
             static_cast<std::int64_t>(result.lost_attempts), duration_text(result.lost_s),
             static_cast<std::int64_t>(result.quarantined), static_cast<std::int64_t>(result.missing)});
    print(std::cout, table, TableFormat::table, standard_output());
}

}  // namespace kvstone
