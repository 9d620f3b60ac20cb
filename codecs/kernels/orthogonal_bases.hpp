#pragma once
// Orthonormal bases in double precision, by LAPACK: principal axes of rows, and random ones. On the host, one call on one
// thread; signs are fixed, so that a basis does not depend on which of two equally good ones a library takes.

#include <cstdint>

namespace kvstone {

/// Doubles that principal_axes() and principal_eigenvalues() work in, for vectors of `channels` values.
std::uint64_t principal_axes_doubles(std::uint64_t channels);

/// Rows of one run of channels after another: run i of row t starts at runs[i] + t strides[i] and has `channels` values.
struct RowRuns {
    float const* const* runs;
    std::uint64_t const* strides;
    std::uint64_t count;
    std::uint64_t channels;
    std::uint64_t rows;
};

/// The mean of each of count * channels values over the rows that are finite throughout; 0 where there is none.
void finite_mean(RowRuns const& rows, double* mean);

/// Principal axes of the rows less `mean` (null: as they are), rows with NaN or Inf left out: axes[i * n + c] is channel c of
/// the axis with the i-th largest eigenvalue of sum x x^T, n = count * channels; the entry of the largest magnitude, the first
/// of equal ones, is positive. `eigenvalues` (n) are of that sum over the number of rows taken. `work` has
/// principal_axes_doubles(n); `axes` points into it. Source: dsyevd of LAPACK (divide and conquer).
void principal_axes(RowRuns const& rows, double const* mean, double* work, double const*& axes, double* eigenvalues);
/// The eigenvalues alone, right to about n x 2^-53 of the largest.
void principal_eigenvalues(RowRuns const& rows, double const* mean, double* work, double* eigenvalues);

/// `rank` random orthonormal vectors of n values, component by component, uniform over all such bases (Haar measure): the Q
/// of A = QR with R's diagonal positive, entries of A normal by Philox4x32-10 with key (seed, 0) and counter (row, column, 0,
/// 0). Source: Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
void random_basis(std::uint32_t seed, std::uint64_t n, std::uint64_t rank, double* basis);

}  // namespace kvstone
