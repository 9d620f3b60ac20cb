#pragma once
// Ranges of a tensor's values: the same whatever the number of threads, and vectorised.

#include <cfloat>
#include <cmath>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/kernels/simd_target.hpp"
#include "backends/kernels/value_ends.hpp"

namespace kvstone {

/// Smallest and largest finite value; both 0 where there is none.
struct ValueRange {
    float low = 0;
    float high = 0;
    float magnitude() const { return std::fmax(std::fabs(low), std::fabs(high)); }
};

/// Low and high of one block, NaN and Inf passed over. A blocked compare-and-select: a maximum through fmax does not
/// vectorise, since it must order NaN.
template <class T>
inline void widen_by_block(T const* values, std::uint64_t count, float& low, float& high) {
    constexpr std::uint64_t lanes = 64;
    alignas(cache_line_bytes) float lows[lanes];
    alignas(cache_line_bytes) float highs[lanes];
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
        lows[lane] = FLT_MAX;
        highs[lane] = -FLT_MAX;
    }
    std::uint64_t done = 0;
    for (; done + lanes <= count; done += lanes) {
        prefetch(reinterpret_cast<std::byte const*>(values + done) + prefetch_distance_bytes, lanes * sizeof(T));
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            float const value = to_float(values[done + lane]);
            // NaN and the Inf that would win become neutral; the other Inf loses by itself.
            float const as_low = value >= -FLT_MAX ? value : FLT_MAX;
            float const as_high = value <= FLT_MAX ? value : -FLT_MAX;
            lows[lane] = as_low < lows[lane] ? as_low : lows[lane];
            highs[lane] = as_high > highs[lane] ? as_high : highs[lane];
        }
    }
    for (; done < count; ++done) {
        float const value = to_float(values[done]);
        if (value >= -FLT_MAX && value < lows[0]) lows[0] = value;
        if (value <= FLT_MAX && value > highs[0]) highs[0] = value;
    }
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
        low = lows[lane] < low ? lows[lane] : low;
        high = highs[lane] > high ? highs[lane] : high;
    }
}
/// Of floats, with vector units.
template <>
inline void widen_by_block<float>(float const* values, std::uint64_t count, float& low, float& high) {
    widen_ends(values, count, low, high);
}

template <class Space, class T>
ValueRange finite_range(Space const& space, KvSpan<T const> values) {
    Runs<T const> const runs(values);
    using Reducer = Kokkos::MinMax<float>;
    typename Reducer::value_type range{FLT_MAX, -FLT_MAX};
    if constexpr (runs_on_host<Space>) {
        Kokkos::parallel_reduce(
            "finite_range", Kokkos::RangePolicy<Space>(space, 0, runs.blocks()),
            [=](std::int64_t const i, typename Reducer::value_type& partial) {
                auto const block = runs.block(i);
                at_simd_level([&] { widen_by_block(block.values, block.count, partial.min_val, partial.max_val); });
            },
            Reducer(range));
    } else {
        Kokkos::parallel_reduce(
            "finite_range", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
            KOKKOS_LAMBDA(std::int64_t const i, typename Reducer::value_type& partial) {
                float const value = to_float(runs.value(static_cast<std::uint64_t>(i)));
                if (value >= -FLT_MAX && value < partial.min_val) partial.min_val = value;
                if (value <= FLT_MAX && value > partial.max_val) partial.max_val = value;
            },
            Reducer(range));
    }
    if (range.min_val > range.max_val) return {};
    // Which of two zeros it was depends on the order of threads.
    return {range.min_val + 0.0F, range.max_val + 0.0F};
}

}  // namespace kvstone
