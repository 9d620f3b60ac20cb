#pragma once
// Verdicts over nights: did a timing get slower some nights ago?
//
// The unit of sampling is a night. A machine has good and bad nights, and each night moves all samples that it takes: the
// scatter within one night says nothing about that. So each night gives one number, the logarithm of its median time.
// For every number of nights J that may have passed since a change, the last J nights are compared with the good nights
// before them by the exact rank-sum test (Mann and Whitney, Annals of Mathematical Statistics 18, 1947): the change-point
// chart of Hawkins and Deng (Journal of Quality Technology 42, 2010), with exact levels in place of simulated ones.
//
// The promise: where no timing got slower by more than the margin, and nights are exchangeable (any order of them equally
// likely, however heavy their tails), the chance that any test fails in any night of a year is at most the error budget.
// That is Bonferroni's bound over nights, tests and numbers J, so that it also holds where cells share their bad nights.
// Its price is a delay: of b nights and J more, one order of C(b + J, J) is the least likely, and so a change of whatever
// size takes some nights to be found. No rule that has only nights can be quicker where a night in a hundred is bad: a
// year of 200 cells has 730 such nights of a cell.

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "results/statistics/estimate.hpp"
#include "results/statistics/verdict.hpp"

namespace kvstone {

inline constexpr int nights_per_year = 365;
/// The numbers of nights since a change that are tried. Each costs its part of the error budget.
inline constexpr std::array<std::size_t, 12> night_lengths{1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 20, 28};
/// A change must be found within so many nights, or there are too few good nights.
inline constexpr std::size_t patience_nights = 14;
/// Good nights that are compared with, unless the user says otherwise.
inline constexpr std::size_t usual_good_nights = 60;

/// One night's median.
struct NightValue {
    double log = 0;  ///< of a time: more is worse
    bool good = true;
};

struct NightVerdict {
    Verdict verdict = Verdict::inconclusive;  ///< pass, advisory, inconclusive or regression
    std::optional<double> p = {};             ///< times the numbers J that were tried; to be compared with the level
    std::size_t nights = 0;                   ///< J of the smallest p, or 1
    std::size_t good = 0;                     ///< good nights before those
    std::size_t needed = 0;                   ///< good nights without which nothing could be found
    Estimate change = {};                     ///< 0.05: 5% slower than the good nights, with its 95% interval
    std::size_t delay = 0;  ///< nights after which the target would be found in 90% of repetitions; 0: more than 28
    double detectable = 0;  ///< the change that would be found so after `delay` nights, or after 28
};

/// A rule about one timing of many; it keeps its tables.
class NightRule {
  public:
    /// Of `tests` timings that share `year_budget`, the chance of any false verdict in a year: the level of one test in one
    /// night is year_budget / (365 tests). Requires tests >= 1.
    NightRule(std::size_t tests, double year_budget, double margin, std::size_t most_good = usual_good_nights);

    double level() const { return level_; }
    std::size_t most_good() const { return most_good_; }
    /// The fewest good nights beside which 14 nights, all of them slower, would be found.
    std::size_t needed() const;

    /// Regression where the rank-sum test of some J is at or below level / (numbers J that can reach it) and today, too, is
    /// beyond the margin: a night after the repair is none. Else inconclusive where nights are too few, or a change of
    /// `target` could stay unseen for 28 nights; else advisory where today alone lies beyond all good nights and the
    /// target; else pass. `nights` are in time order, today last; nights that are not good are compared with none, and do
    /// count among the last J.
    NightVerdict judge(std::span<NightValue const> nights, double target);

    /// The same without estimates: the J of a regression, or 0. All nights before the last J are good.
    std::size_t alarm(std::span<double const> nights);

  private:
    using Tail = std::vector<double>;  ///< P(U >= u)
    /// A number J of nights that can reach the level.
    struct Usable {
        std::size_t nights = 0;
        Tail const* tail = nullptr;
        std::size_t critical = 0;  ///< smallest U that rejects
    };
    /// Those of night_lengths, where `good_of` tells the good nights before each.
    template <class GoodOf>
    std::vector<Usable> usable(GoodOf const& good_of);
    /// The change that is found in 90% of repetitions where all nights scatter like `good`.
    double found_by(std::span<double const> good, Usable const& length) const;

    double level_, margin_;
    std::size_t most_good_;
    std::map<std::pair<std::size_t, std::size_t>, Tail> tails_;  ///< by good nights and nights since
    std::vector<Usable> full_;  ///< where there are more good nights than are compared with
};

/// Parts of the variance of logarithms over nights.
struct NightComponents {
    double between = 0;  ///< deviation from night to night
    double within = 0;   ///< the part of a night's median that its own processes' scatter explains
};
/// From the processes' logarithms of each night, so that one odd night or process moves neither. The whole deviation is
/// 1.4826 x median absolute deviation of the nights' medians. Within a night, the variance of the median of n processes is
/// their variance x (pi / 2, or 1 where n is 2) / n; of that the median over nights is taken, with each variance divided by
/// the median of chi-square over its n - 1 degrees (Wilson and Hilferty). The difference is the nights' own. Nothing where
/// there are fewer than two nights, or no night has two processes.
std::optional<NightComponents> night_components(std::span<std::vector<double> const> nights);

}  // namespace kvstone
