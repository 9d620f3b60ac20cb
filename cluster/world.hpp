#pragma once
// The ranks this process was started among.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/transport.hpp"

namespace kvstone {

/// What the environment says about who started this process.
struct Launch {
    std::string launcher;     ///< "Open MPI", "Slurm"...; empty: started by hand
    std::optional<int> size;  ///< ranks, where it is told
};
/// `variable` answers like getenv, with null where there is none.
Launch detect_launch(std::function<char const*(char const*)> const& variable);

/// MPI's world where an MPI launcher started more than one rank, else a world of one. libmpi costs half a second before
/// main, so it is in a module of its own (kvstone_mpi.so beside the executable, or $KVSTONE_MPI_MODULE), loaded only
/// here. Call it after whatever forks. Throws SystemError where ranks were started but cannot speak to each other: each
/// would measure the whole plan.
std::unique_ptr<Transport> open_world();

/// For a rank that has to end with an error, which it may know at once: waits until half a second after `started`, where
/// a launcher started this process. Open MPI's launcher takes a rank that ends while others are still being started for
/// one that could not be started, and ends with an exit code of its own.
void outlast_launch(std::chrono::steady_clock::time_point started);

}  // namespace kvstone
