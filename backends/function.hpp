#pragma once
// KVSTONE_FUNCTION before a function that kernels call on a device, too. Kokkos' own word for that would bring Kokkos to
// everybody who has a tensor or converts a number; and with a Kokkos for CUDA, what includes it must be compiled by nvcc.

#if defined(__CUDACC__) || defined(__HIPCC__)
#define KVSTONE_FUNCTION __host__ __device__
#else
#define KVSTONE_FUNCTION
#endif

/// The same, compiled into its callers whatever the compiler thinks of it.
#define KVSTONE_INLINE_ALWAYS KVSTONE_FUNCTION inline __attribute__((always_inline))
