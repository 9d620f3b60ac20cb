#pragma once
// The ranks among which this process was started.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/transport.hpp"

namespace kvstone {

/// The launcher of this process, as the environment shows it.
struct Launch {
    std::string launcher;     ///< "Open MPI", "Slurm"...; empty: started by hand
    std::optional<int> size;  ///< number of ranks, where the launcher says it
};
/// `variable` answers like getenv, with null where there is none.
Launch detect_launch(std::function<char const*(char const*)> const& variable);

/// MPI's world where an MPI launcher started more than one rank, else a world of one. libmpi costs half a second before
/// main, so it is in a module of its own (own_helper("kvstone_mpi.so"), or $KVSTONE_MPI_MODULE), loaded only here. Call it
/// after everything that forks. Throws SystemError where ranks were started but cannot send messages to each other: each
/// would measure the whole plan.
std::unique_ptr<Transport> open_world();

/// For a rank that has to end with an error, perhaps at once: waits until half a second after `started`, where a
/// launcher started this process. Open MPI's launcher otherwise reports that such a rank could not be started, while it
/// is still starting others, and ends with an exit code of its own.
void outlast_launch(std::chrono::steady_clock::time_point started);

}  // namespace kvstone
