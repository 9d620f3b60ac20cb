#pragma once
// Eigenvalues and eigenvectors of symmetric matrices, by LAPACK's divide and conquer (dsyevd).

#include <cstddef>
#include <span>

namespace kvstone {

/// `matrix`: n x n values, row by row, of which those up to the diagonal are read; spent afterwards. `eigenvalues`: n of them,
/// the largest first. `vectors`: nothing where they are not wanted, or n x n values: row i is the unit vector of eigenvalue i,
/// with the sign that makes its largest entry positive (of several of that size the first). Vectors of eigenvalues that are
/// equal may come out as any basis of their space. Eigenvalues are right to about n x 2^-53 of the largest.
/// Threads may call it at a time; they wait for one another (lapack.hpp). Throws std::invalid_argument where sizes do not
/// fit, std::runtime_error where values are not finite.
void symmetric_eigen(std::size_t n, std::span<double> matrix, std::span<double> eigenvalues,
                     std::span<double> vectors = {});

}  // namespace kvstone
