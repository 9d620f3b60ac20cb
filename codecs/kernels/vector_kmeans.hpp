#pragma once
// k-means (Lloyd's algorithm) of short vectors, in a fixed order of all sums: the same whatever the number of threads.
//
// Files that include this are compiled without contraction (codecs/CMakeLists.txt): points are then the same on every
// processor.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "codecs/kernels/finite_values.hpp"

namespace kvstone {

/// Values of the longest vector, and the most points.
inline constexpr std::uint64_t most_coupled_values = 8;
inline constexpr std::uint64_t most_points = 256;
/// Points compared at a time. Rows of points are as long as a multiple of it, infinity behind the last point.
inline constexpr std::uint64_t point_lanes = 16;

KOKKOS_INLINE_FUNCTION constexpr std::uint64_t padded_points(std::uint64_t count) {
    return (count + point_lanes - 1) / point_lanes * point_lanes;
}

/// The point nearest to `vector`, of equals the first. points[j * stride + k]: value j of point k; a multiple of
/// point_lanes, of which one at least is finite.
KOKKOS_INLINE_FUNCTION std::uint32_t nearest_point(float const* points, std::uint64_t stride, float const* vector,
                                                   std::uint64_t values) {
    float best[point_lanes];
    std::int32_t found[point_lanes];
    for (std::uint64_t lane = 0; lane < point_lanes; ++lane) {
        best[lane] = INFINITY;
        found[lane] = 0;
    }
    for (std::uint64_t first = 0; first < stride; first += point_lanes) {
        float distances[point_lanes] = {};
        for (std::uint64_t j = 0; j < values; ++j) {
            auto const* const row = points + j * stride + first;
            for (std::uint64_t lane = 0; lane < point_lanes; ++lane) {
                float const difference = vector[j] - row[lane];
                distances[lane] += difference * difference;
            }
        }
        for (std::uint64_t lane = 0; lane < point_lanes; ++lane) {
            bool const better = distances[lane] < best[lane];
            best[lane] = better ? distances[lane] : best[lane];
            found[lane] = better ? static_cast<std::int32_t>(first + lane) : found[lane];
        }
    }
    float least = INFINITY;
    std::int32_t nearest = 0;
    for (std::uint64_t lane = 0; lane < point_lanes; ++lane) {
        if (best[lane] < least || (best[lane] == least && best[lane] < INFINITY && found[lane] < nearest)) {
            least = best[lane];
            nearest = found[lane];
        }
    }
    return static_cast<std::uint32_t>(nearest);
}

/// Fits `count` points to vectors of `values` values within +-1: read(i, vector) gives number i of `vectors`, at least
/// `count` of them. Starts with evenly spaced ones, ends where nothing moves, after most_rounds at the latest; a point
/// that is nearest to none stays. points[j * stride + k] as above, stride = padded_points(count).
template <class Read>
KOKKOS_INLINE_FUNCTION void fit_points(Read const& read, std::uint64_t vectors, std::uint64_t values,
                                       std::uint64_t count, float* points) {
    constexpr int most_rounds = 24;
    auto const stride = padded_points(count);
    float vector[most_coupled_values];
    for (std::uint64_t i = 0; i < values * stride; ++i) points[i] = INFINITY;
    for (std::uint64_t k = 0; k < count; ++k) {
        read(k * vectors / count, vector);
        for (std::uint64_t j = 0; j < values; ++j) points[j * stride + k] = vector[j];
    }
    double sums[most_points * most_coupled_values];
    std::uint32_t members[most_points];
    bool moved = true;
    for (int round = 0; round < most_rounds && moved; ++round) {
        moved = false;
        for (std::uint64_t i = 0; i < count * values; ++i) sums[i] = 0;
        for (std::uint64_t k = 0; k < count; ++k) members[k] = 0;
        for (std::uint64_t i = 0; i < vectors; ++i) {
            read(i, vector);
            auto const k = nearest_point(points, stride, vector, values);
            ++members[k];
            for (std::uint64_t j = 0; j < values; ++j) sums[k * values + j] += static_cast<double>(vector[j]);
        }
        for (std::uint64_t k = 0; k < count; ++k) {
            for (std::uint64_t j = 0; j < values && members[k] > 0; ++j) {
                auto const mean = static_cast<float>(sums[k * values + j] / members[k]);
                moved = moved || mean != points[j * stride + k];
                points[j * stride + k] = mean;
            }
        }
    }
}

}  // namespace kvstone
