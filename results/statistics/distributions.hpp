#pragma once
// Tails and quantiles of the distributions behind intervals and tests: Boost.Math's, which stay precise at any number
// of trials.

#include <cstdint>

namespace kvstone {

/// P(at most `successes` in `trials`), each with probability `share`. Requires 0 <= share <= 1.
double binomial_at_most(std::uint64_t successes, std::uint64_t trials, double share);

/// Largest k with P(Binomial(trials, 1/2) < k) <= tail; 0 where no k fits. Requires 0 < tail < 1/2.
std::uint64_t binomial_rank(std::uint64_t trials, double tail);

/// The share at which at most `successes` in `trials` come with probability `tail` (Clopper and Pearson's upper bound);
/// 1 where all were successes. Requires 0 < tail < 1.
double share_at_most(std::uint64_t successes, std::uint64_t trials, double tail);

/// Two-sided exact p of the sign test, which is McNemar's: the probability that `one + other` fair coins fall as
/// unequally or more. 1 without any coins.
double sign_test_p(std::uint64_t one, std::uint64_t other);

/// P(a standard normal value > z).
double normal_above(double z);
/// The z that a standard normal value exceeds with probability `tail`. Requires 0 < tail < 1.
double normal_quantile_above(double tail);

}  // namespace kvstone
