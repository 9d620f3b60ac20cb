#include "cluster/world.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <thread>

#include <dlfcn.h>
#include <fmt/format.h>

#include "cluster/mpi/module.hpp"
#include "scenarios/own_program.hpp"

namespace kvstone {
namespace {

struct Sign {
    char const* variable;
    char const* launcher;
    bool tells_size;
};

// The first that is set decides. The launchers of MPI come before Slurm, whose variables they inherit inside an
// allocation; SLURM_STEP_NUM_TASKS is srun's, and not set in a batch script itself.
constexpr std::array signs{
    Sign{"OMPI_COMM_WORLD_SIZE", "Open MPI", true},    Sign{"MV2_COMM_WORLD_SIZE", "MVAPICH", true},
    Sign{"PMI_SIZE", "an MPI launcher", true},         Sign{"SLURM_STEP_NUM_TASKS", "Slurm", true},
    Sign{"PMIX_RANK", "a PMIx launcher", false},       Sign{"PMI_RANK", "an MPI launcher", false},
    Sign{"MPI_LOCALRANKID", "an MPI launcher", false},
};

class Alone : public Transport {
  public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    void send(int to, std::string const&) override { throw SystemError(fmt::format("there is no rank {}", to)); }
    std::optional<Message> receive(double timeout_s) override {
        std::this_thread::sleep_for(std::chrono::duration<double>(timeout_s));
        return std::nullopt;
    }
    void abort(int exit_code) override {
        std::fflush(nullptr);
        std::_Exit(exit_code);
    }
};

std::filesystem::path module_path() {
    if (char const* named = std::getenv("KVSTONE_MPI_MODULE")) return named;
    return own_helper(mpi_module_file);
}

Launch own_launch() {
    return detect_launch([](char const* name) { return std::getenv(name); });
}

/// Never unloaded: MPI libraries leave threads and exit handlers behind.
std::unique_ptr<Transport> load_mpi(std::string const& launcher) {
    auto const path = module_path();
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    void* const symbol = library == nullptr ? nullptr : dlsym(library, mpi_module_symbol);
    if (symbol == nullptr) {
        throw SystemError(fmt::format(
            "started by {} as one of several ranks, but KVstone's MPI module cannot be loaded ({}). Build with "
            "MPI, name the module in KVSTONE_MPI_MODULE, or start a single process",
            launcher, dlerror()));
    }
    return std::unique_ptr<Transport>(reinterpret_cast<OpenMpiTransport*>(symbol)());
}

}  // namespace

Launch detect_launch(std::function<char const*(char const*)> const& variable) {
    for (auto const& sign : signs) {
        char const* const text = variable(sign.variable);
        if (text == nullptr) continue;
        Launch launch{sign.launcher, std::nullopt};
        int size = 0;
        std::string_view const view = text;
        auto const [end, error] = std::from_chars(view.data(), view.data() + view.size(), size);
        if (sign.tells_size && error == std::errc{} && end == view.data() + view.size()) launch.size = size;
        return launch;
    }
    return {};
}

void outlast_launch(std::chrono::steady_clock::time_point started) {
    constexpr auto launch_takes = std::chrono::milliseconds(500);
    if (!own_launch().launcher.empty()) std::this_thread::sleep_until(started + launch_takes);
}

std::unique_ptr<Transport> open_world() {
    auto const launch = own_launch();
    if (launch.launcher.empty() || launch.size == 1) return std::make_unique<Alone>();
    auto world = load_mpi(launch.launcher);
    if (launch.size && *launch.size != world->size()) {
        throw SystemError(fmt::format(
            "started by {} as one of {} ranks, but MPI sees {}: the launcher and the MPI library do not fit each other "
            "(with Slurm: srun --mpi=pmix, or mpirun)",
            launch.launcher, *launch.size, world->size()));
    }
    return world;
}

}  // namespace kvstone
