#pragma once
// How unequal the channels of one head are, and the directions of its vectors: scales per channel, rotations and low
// ranks exploit these. The literature calls three figures "variance spread"; they answer different questions.

#include <optional>
#include <span>
#include <vector>

#include "harness/inspection/head_sums.hpp"

namespace kvstone {

/// The largest variance of a head's channels (about their means) over the least; nothing where a channel does not vary.
std::optional<double> channel_variance_ratio(HeadSums const& head, KvShape const& shape);

/// The largest mean square of a head's channels over the least: the same with the means kept. Nothing where a channel is 0.
std::optional<double> channel_second_moment_ratio(HeadSums const& head, KvShape const& shape);

/// The share of the sum of squares of some heads that the means of their channels alone would give.
double mean_energy(std::span<HeadSums const> heads, KvShape const& shape);

/// Eigenvalues of the covariance of a head's channels (about their means, over tokens), the largest first: the variances
/// along its principal components. `head`: the sums of `group`, which is layer * heads + head.
std::vector<double> principal_variances(HostTensor const& tensor, std::uint64_t group, HeadSums const& head);

/// The first over the last; nothing where the last is 0, as with no more tokens than channels.
std::optional<double> eigenvalue_ratio(std::span<double const> variances);

/// Shares of the variance that the first 1, 2, ... components hold; nothing where there is no variance.
std::vector<double> energy_by_rank(std::span<double const> variances);

/// The least rank that holds this share of the variance; nothing where there is no variance.
std::optional<std::uint64_t> rank_of_energy(std::span<double const> variances, double share);

}  // namespace kvstone
