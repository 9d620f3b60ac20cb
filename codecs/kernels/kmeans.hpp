#pragma once

#include <array>
#include <cstdint>

namespace kvstone {

/// Bins of equal width over [-1, 1].
inline constexpr std::uint32_t kmeans_bins = 2048;
inline constexpr unsigned most_kmeans_bits = 5;

/// 2^bits levels, ascending and different, that the values counted in a histogram are near to: 1-D k-means (Lloyd's
/// algorithm) over the bins' middles. It starts at quantiles of the cube root of the counts, which is where small cells
/// have the least squared error (Panter and Dite 1951), and ends where nothing moves, after 200 rounds at the latest.
/// Sums are whole numbers. bits: at most most_kmeans_bits; levels beyond 2^bits are 0.
std::array<float, 1U << most_kmeans_bits> kmeans_levels(unsigned bits,
                                                        std::array<std::uint32_t, kmeans_bins> const& counts);

}  // namespace kvstone
