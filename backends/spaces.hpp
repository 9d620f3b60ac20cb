#pragma once
// From a backend's kind to its Kokkos execution space: the only place that lists the compiled ones.

#include <stdexcept>

#include <Kokkos_Core.hpp>

#include "backends/backend.hpp"

namespace kvstone {

/// The instance that work of this thread on backend openmp uses instead of all threads, where set (one_thread.hpp).
inline thread_local Kokkos::OpenMP const* chosen_host_space = nullptr;

/// Calls `action(space)` with an instance of the execution space of `kind`. Kernels stand in named public functions
/// that `action` calls: nvcc takes no extended lambda inside a generic one.
template <class Action>
decltype(auto) with_space(BackendKind kind, Action&& action) {
#ifdef KOKKOS_ENABLE_CUDA
    if (kind == BackendKind::cuda) return action(Kokkos::Cuda{});
#endif
    if (kind != BackendKind::openmp) throw std::logic_error("backend not compiled in");
    return action(chosen_host_space != nullptr ? *chosen_host_space : Kokkos::OpenMP{});
}

/// The kind that an execution space belongs to.
template <class Space>
inline constexpr BackendKind backend_of = BackendKind::openmp;
#ifdef KOKKOS_ENABLE_CUDA
template <>
inline constexpr BackendKind backend_of<Kokkos::Cuda> = BackendKind::cuda;
#endif

}  // namespace kvstone
