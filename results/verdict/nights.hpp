#pragma once
// The nights of a database beside which `gate --nightly` judges the last one.

#include <optional>
#include <string>
#include <vector>

#include "results/statistics/night_rule.hpp"
#include "results/verdict/rule.hpp"

namespace kvstone {

/// A campaign that `run --night` named.
struct Night {
    std::string name;
    std::string campaign;
    bool good = false;  ///< may be compared with
    Side side = {};
};

/// The nights that a gate looks at, in time order; the last one is the one it judges.
struct NightSeries {
    std::vector<Night> nights;
    std::size_t most_good = usual_good_nights;
};

struct NightOptions {
    std::string head;               ///< a night's name or the first digits of a campaign's id; empty: the newest night
    std::vector<std::string> good;  ///< nights that are good whatever their gates said; "all"
    std::vector<std::string> dropped;  ///< nights that are left out
    std::string since;                 ///< the first night of a new level; empty: all nights
    std::size_t most_good = usual_good_nights;
};

/// Nights of the head's scenario and hardware class up to the head, with these metrics. A night is good where the newest
/// gate of the policy over its campaign found nothing worse than inconclusive: of two nights the first cannot be judged,
/// and yet the second is to be compared with it. Nights of a change that a later gate found are good no more. Throws ConfigError where a name means no night, or there is none.
NightSeries read_nights(std::string const& database, GatePolicy const& policy, NightOptions const& options,
                        std::span<std::string const> metrics);

/// The nights as a stored gate keeps them, and read again.
Json to_json(NightSeries const& series);
NightSeries night_series_from_json(Json const& json, std::string const& database, std::span<std::string const> metrics);

/// The last good night before the one that is judged; null where there is none.
Night const* last_good(NightSeries const& series);

/// A timing by night, as the rule takes it: nights at which the cell has no such figure are left out.
struct NightTiming {
    std::vector<NightValue> values;
    std::vector<Night const*> nights;            ///< of these values
    std::vector<std::vector<double>> processes;  ///< logarithms of the good nights' processes
};
NightTiming night_timing(NightSeries const& series, std::string const& cell, std::size_t metric, std::size_t component);

/// How many timings of the last night the rules judge.
std::size_t night_tests(std::vector<PolicyRule> const& rules, Side const& head);

}  // namespace kvstone
