#pragma once
// Bases of groups of merged vectors as a codec stores them: fitted to the vectors, and unpacked again.
//
// Stored: W^T in [group, component, channel] order and means in [group, channel] order, of T, nothing between groups.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_for.hpp"
#include "codecs/kernels/orthogonal_bases.hpp"
#include "codecs/kernels/projection.hpp"

namespace kvstone {

/// The longest vectors that are fitted: finding axes takes 3 n^2 doubles.
inline constexpr std::uint64_t most_fitted_channels = 4096;

/// Stored values before a group's basis and mean; of groups.count(): all of them.
KOKKOS_INLINE_FUNCTION std::uint64_t basis_place(VectorGroups const& groups, std::uint64_t group) {
    auto const whole = groups.shape.layers / groups.group_layers * groups.across();
    if (group <= whole) return group * groups.length() * groups.rank;
    return whole * groups.length() * groups.rank + (group - whole) * groups.length(whole) * groups.rank_of(whole);
}
KOKKOS_INLINE_FUNCTION std::uint64_t mean_place(VectorGroups const& groups, std::uint64_t group) {
    auto const whole = groups.shape.layers / groups.group_layers * groups.across();
    if (group <= whole) return group * groups.length();
    return whole * groups.length() + (group - whole) * groups.length(whole);
}

/// What fit_bases() keeps for one group: runs and their strides, mean, eigenvalues, and what LAPACK works in.
inline std::uint64_t fit_doubles(VectorGroups const& groups) {
    auto const n = groups.length();
    return 2 * groups.group_layers * groups.group_heads + 2 * n + principal_axes_doubles(n);
}
/// Groups that are fitted at a time: a number of the shape alone.
inline std::uint64_t groups_at_a_time(VectorGroups const& groups) {
    constexpr std::uint64_t about_doubles = std::uint64_t{1} << 23;
    return std::clamp<std::uint64_t>(about_doubles / fit_doubles(groups), 1,
                                     std::clamp<std::uint64_t>(groups.count(), 1, 16));
}
inline std::size_t fit_bytes(VectorGroups const& groups) {
    return groups_at_a_time(groups) * fit_doubles(groups) * sizeof(double);
}

/// A double as it is stored, within the finite numbers of T.
template <class T>
T stored_within(double value) {
    constexpr double largest = std::is_same_v<T, Float16> ? 65504.0 : static_cast<double>(FLT_MAX);
    return from_float<T>(static_cast<float>(std::clamp(value, -largest, largest)));
}

/// Principal axes of one group's vectors, less their mean where `means` is not null; eigenvalues where `variances` is not.
template <class T>
void fit_group(VectorGroups const& groups, std::uint64_t group, KvSpan<float const> values, T* bases, T* means,
               double* memory, float* variances) {
    auto const n = groups.length(group);
    auto const most_runs = groups.group_layers * groups.group_heads;
    auto** const runs = reinterpret_cast<float const**>(memory);
    auto* const strides = reinterpret_cast<std::uint64_t*>(memory + most_runs);
    auto* const mean = memory + 2 * most_runs;
    auto* const eigenvalues = mean + groups.length();
    auto* const work = eigenvalues + groups.length();
    for (std::uint64_t run = 0; run < groups.runs(group); ++run) {
        runs[run] = values.vector(groups.layer(group, run), groups.head(group, run), 0);
        strides[run] = values.strides.token;
    }
    RowRuns const rows{runs, strides, groups.runs(group), values.shape.dim, values.shape.tokens};
    if (means != nullptr) {
        finite_mean(rows, mean);
        auto* const stored = means + mean_place(groups, group);
        for (std::uint64_t c = 0; c < n; ++c) {
            stored[c] = stored_within<T>(mean[c]);
            mean[c] = static_cast<double>(to_float(stored[c]));
        }
    }
    double const* axes = nullptr;
    principal_axes(rows, means != nullptr ? mean : nullptr, work, axes, eigenvalues);
    auto* const basis = bases + basis_place(groups, group);
    for (std::uint64_t i = 0; i < groups.rank_of(group) * n; ++i) basis[i] = stored_within<T>(axes[i]);
    for (std::uint64_t i = 0; variances != nullptr && i < n; ++i)
        variances[mean_place(groups, group) + i] = stored_within<float>(eigenvalues[i]);
}

/// Fits and stores all groups' bases. Host memory; `workspace` has fit_bytes().
template <class Space, class T>
void fit_bases(Space const&, VectorGroups const& groups, KvSpan<float const> values, T* bases, T* means,
               std::byte* workspace, float* variances = nullptr) {
    using Host = Kokkos::DefaultHostExecutionSpace;  // LAPACK's threads, whichever space the values came from
    Host const host;
    auto const at_a_time = groups_at_a_time(groups);
    auto* const memory = reinterpret_cast<double*>(workspace);
    for (std::uint64_t first = 0; first < groups.count(); first += at_a_time) {
        auto const now = std::min(at_a_time, groups.count() - first);
        host_for(host, "fit_bases", static_cast<std::int64_t>(now), [=](std::int64_t const i) {
            auto const slot = static_cast<std::uint64_t>(i);
            fit_group(groups, first + slot, values, bases, means, memory + slot * fit_doubles(groups), variances);
        });
        host.fence();
    }
}

/// Stored bases to the matrices of PackedBases; `means` may be null.
template <class Space, class T>
void unpack_bases(Space const& space, VectorGroups const& groups, T const* bases, T const* means, float* forward,
                  float* backward, float* mean) {
    Kokkos::parallel_for(
        "unpack_bases", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(groups.count() * groups.rank)),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const group = static_cast<std::uint64_t>(i) / groups.rank;
            auto const component = static_cast<std::uint64_t>(i) % groups.rank;
            auto const n = groups.length(group);
            if (component < groups.rank_of(group)) {
                auto const* const axis = bases + basis_place(groups, group) + component * n;
                for (std::uint64_t c = 0; c < n; ++c)
                    pack_entry(groups, group, group, component, c, to_float(axis[c]), forward, backward);
            }
            if (means == nullptr || component > 0) return;
            for (std::uint64_t c = 0; c < n; ++c)
                mean[group * groups.length() + c] = to_float(means[mean_place(groups, group) + c]);
        });
}

}  // namespace kvstone
