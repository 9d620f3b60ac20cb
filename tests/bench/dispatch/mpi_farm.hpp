#pragma once
// The dispatcher over MPI beside the smallest task farm that MPI allows, in the same run.

namespace kvstone {

/// Starts this program again over 2 and 3 ranks; says so where this build has no MPI.
int start_under_mpi(char const* program);
/// On each of those ranks. Rank 0 prints items per second of both, message sizes and their quotient.
int compare_with_mpi_farm();

}  // namespace kvstone
