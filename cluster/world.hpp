#pragma once
// The ranks this process was started among.

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

}  // namespace kvstone
