#include "backends/backend.hpp"

#include <algorithm>

#include <Kokkos_Core.hpp>

#include "backends/spaces.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

bool cuda_present() {
#ifdef KOKKOS_ENABLE_CUDA
    int devices = 0;
    return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
#else
    return false;
#endif
}

constexpr bool is_arm() {
#ifdef __aarch64__
    return true;
#else
    return false;
#endif
}

}  // namespace

std::string_view name_of(BackendKind kind) { return kind == BackendKind::cuda ? "cuda" : "openmp"; }

std::vector<std::string> known_backends() { return {"openmp", "arm", "cuda"}; }

std::vector<std::string> advertised_backends() {
    std::vector<std::string> names{"openmp"};
    if (is_arm()) names.emplace_back("arm");
    if (cuda_present()) names.emplace_back("cuda");
    return names;
}

BackendKind backend_named(std::string_view name) {
    auto const known = known_backends();
    if (std::ranges::find(known, name) == known.end()) throw ConfigError("unknown backend", std::string(name), known);
    auto const here = advertised_backends();
    if (std::ranges::find(here, name) == here.end()) {
        throw SystemError("backend " + std::string(name) + " is not available on this build and machine");
    }
    return name == "cuda" ? BackendKind::cuda : BackendKind::openmp;
}

BackendRuntime::BackendRuntime(int threads) {
    Kokkos::InitializationSettings settings;
    // Binding is the caller's business (the environment of an attempt is set on purpose): no advice about it.
    settings.set_disable_warnings(true);
    if (threads > 0) settings.set_num_threads(threads);
    Kokkos::initialize(settings);
}

BackendRuntime::~BackendRuntime() { Kokkos::finalize(); }

void fence(BackendKind kind) {
    with_space(kind, [](auto const& space) { space.fence(); });
}

}  // namespace kvstone
