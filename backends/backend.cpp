#include "backends/backend.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include <Kokkos_Core.hpp>
#ifdef KOKKOS_ENABLE_CUDA
#define KOKKOS_IMPL_PUBLIC_INCLUDE  // what the next header asks for
#include <impl/Kokkos_ExecSpaceManager.hpp>
#undef KOKKOS_IMPL_PUBLIC_INCLUDE

#include "backends/driver_functions.hpp"
#endif

#include "backends/spaces.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

#ifdef KOKKOS_ENABLE_CUDA
/// Stands in Kokkos' list of execution spaces for the one of CUDA where there is no device: that one ends the program.
struct NoSpace final : Kokkos::Impl::ExecSpaceBase {
    void initialize(Kokkos::InitializationSettings const&) override {}
    void finalize() override {}
    void static_fence(std::string const&) override {}
    void print_configuration(std::ostream&, bool) override {}
};

std::string device_problem() {
    int devices = 0;
    auto const status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) return cudaGetErrorString(status);
    return devices > 0 ? "" : "no device is visible";
}

void leave_out_absent_devices() {
    if (!device_problem().empty()) {
        Kokkos::Impl::ExecSpaceManager::get_instance().register_space_factory("150_Cuda", std::make_unique<NoSpace>());
    }
}

bool cuda_present() { return device_problem().empty(); }
#else
std::string device_problem() { return ""; }
void leave_out_absent_devices() {}
bool cuda_present() { return false; }
#endif

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

std::string why_no_device() { return device_problem(); }

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
    leave_out_absent_devices();
    Kokkos::initialize(settings);
}

BackendRuntime::~BackendRuntime() { Kokkos::finalize(); }

void fence(BackendKind kind) {
    with_space(kind, [](auto const& space) { space.fence(); });
}

}  // namespace kvstone
