#pragma once
// Years of nights, to measure the false alarms and the delays of a NightRule.

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "results/statistics/night_rule.hpp"
#include "results/statistics/share.hpp"

namespace kvstone {

/// Nights of one timing, one after the other: logarithms of its median time.
using NightSource = std::function<double()>;

/// Noise from night to night, in parts of the time.
struct NightNoise {
    std::string name;
    double deviation = 0.012;  ///< of a night
    double degrees = 0;        ///< of Student's t, scaled to the same quartiles; 0: normal
    double spikes = 0;         ///< share of nights that are `height` slower
    double height = 0.10;
    double correlation = 0;  ///< of a night with the one before it; the deviation stays
    double walk = 0;         ///< deviation of the step by which the level moves each night, for ever
};
/// Those for which false alarms and delays are told.
std::vector<NightNoise> night_noises();
NightSource nights_of(NightNoise const& noise, std::mt19937_64& random);
/// Stored nights drawn again, a week at a time, so that what lasts some nights does so again. Requires a value.
NightSource nights_again(std::vector<double> stored, std::mt19937_64& random);

/// Years of one test at one level that have any alarm. Every year begins beside as many good nights as the rule looks at.
Share alarmed_years(NightRule& rule, std::function<NightSource()> const& nights, std::uint64_t years);

/// The chance that any of `tests` tests alarms within a year, at most (95%): Bonferroni's, of the upper bound of one.
double most_family_alarms(Share const& years, std::size_t tests);

/// Nights until a change is found.
struct Delays {
    std::uint64_t trials = 0;
    std::uint64_t found = 0;  ///< within 60 nights
    std::size_t median = 0;   ///< 0: fewer than that share were found
    std::size_t nine_of_ten = 0;
};
/// Of times that are `change` (0.05: 5%) longer from one night on; that night is the first.
Delays delays_of(NightRule& rule, std::function<NightSource()> const& nights, double change, std::uint64_t trials);

}  // namespace kvstone
