#pragma once
// Wilcoxon's signed-rank test, exactly, and the estimate and interval that belong to it. Source: Hollander and Wolfe,
// "Nonparametric Statistical Methods", section 3. Everything here is a pure function of numbers.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "results/statistics/estimate.hpp"

namespace kvstone {

/// One-sided exact p of H0 "the differences are symmetric around a centre of at most `margin`" against a larger one:
/// P(W+ >= the observed one) over all equally likely signs of differences - margin. Ties get midranks, and the
/// distribution is that of the midranks themselves; differences equal to the margin are left out. 1 where none is left.
double signed_rank_p(std::span<double const> differences, double margin);

/// The number of the n differences' Walsh averages (x_i + x_j) / 2, i <= j, that must lie above the margin for a
/// rejection at `alpha` < 1, without ties: the rejecting W+. Nothing where 2^-n is above alpha.
std::optional<std::size_t> rejecting_walsh_averages(std::size_t n, double alpha);

/// The `count`-th largest Walsh average: with the count of rejecting_walsh_averages() every margin below it is rejected.
double nth_largest_walsh_average(std::span<double const> differences, std::size_t count);

/// Hodges and Lehmann's centre, the median of all Walsh averages, and its two-sided interval: the margins that the
/// exact test does not reject on either side at (1 - confidence) / 2. Requires at least one value.
Estimate hodges_lehmann(std::span<double const> differences, double confidence = 0.95);

/// P(U >= u) for u = 0 .. n m, where U counts the pairs in which a value of a sample of n lies above one of a sample of m,
/// and all orders are equally likely: the exact rank-sum (Mann-Whitney) distribution without ties. Requires n, m >= 1.
std::vector<double> rank_sum_tail(std::size_t n, std::size_t m);

/// The same for two samples that are not paired: median of all b_j - a_i, with the interval of the exact rank-sum
/// (Mann-Whitney) distribution. Requires at least one value each.
Estimate shift_between(std::span<double const> a, std::span<double const> b, double confidence = 0.95);

}  // namespace kvstone
