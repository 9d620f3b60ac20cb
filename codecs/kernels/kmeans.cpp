#include "codecs/kernels/kmeans.hpp"

#include <algorithm>
#include <cmath>

namespace kvstone {
namespace {

/// Middles of bins in half widths: odd numbers from -(kmeans_bins - 1) to kmeans_bins - 1.
std::int64_t middle_of(std::int64_t bin) { return 2 * bin + 1 - std::int64_t{kmeans_bins}; }

}  // namespace

std::array<float, 1U << most_kmeans_bits> kmeans_levels(unsigned bits,
                                                        std::array<std::uint32_t, kmeans_bins> const& counts) {
    // Sums over all bins before one.
    std::array<std::int64_t, kmeans_bins + 1> count{};
    std::array<std::int64_t, kmeans_bins + 1> sum{};
    std::array<std::int64_t, kmeans_bins + 1> root{};
    for (std::uint32_t bin = 0; bin < kmeans_bins; ++bin) {
        count[bin + 1] = count[bin] + counts[bin];
        sum[bin + 1] = sum[bin] + counts[bin] * middle_of(bin);
        // A thousandth is fine enough, and the same on every machine.
        root[bin + 1] = root[bin] + std::llround(1000 * std::cbrt(static_cast<double>(counts[bin])));
    }
    auto const levels = std::int64_t{1} << bits;
    std::array<double, 1U << most_kmeans_bits> level{};
    std::int64_t next = 0;
    for (std::int64_t k = 0; k < levels; ++k) {
        auto const share = root.back() * (2 * k + 1) / (2 * levels);
        auto const bin = std::ranges::upper_bound(root, share) - root.begin() - 1;
        // Levels stay apart, and room for those to come.
        next = std::min(std::max<std::int64_t>(bin, next), kmeans_bins - (levels - k));
        level[static_cast<std::size_t>(k)] = static_cast<double>(middle_of(next++));
    }
    bool moved = true;
    for (int round = 0; round < 200 && moved; ++round) {
        moved = false;
        std::size_t begin = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(levels); ++k) {
            bool const last = k + 1 == static_cast<std::size_t>(levels);
            // Middles up to halfway to the next level are this one's.
            auto const halfway = last ? double{kmeans_bins} : (level[k] + level[k + 1]) / 2;
            auto const end = static_cast<std::size_t>(
                std::clamp(std::floor((halfway + kmeans_bins + 1) / 2), 0.0, double{kmeans_bins}));
            auto const members = count[end] - count[begin];
            auto const mean =
                members > 0 ? static_cast<double>(sum[end] - sum[begin]) / static_cast<double>(members) : level[k];
            moved = moved || mean != level[k];
            level[k] = mean;
            begin = end;
        }
    }
    std::array<float, 1U << most_kmeans_bits> result{};
    std::ranges::transform(level, result.begin(),
                           [](double middle) { return static_cast<float>(middle / kmeans_bins); });
    return result;
}

}  // namespace kvstone
