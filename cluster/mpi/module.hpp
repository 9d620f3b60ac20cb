#pragma once
// The seam between the program and its MPI module. The symbol's number changes with Transport.

#include "cluster/transport.hpp"

namespace kvstone {

constexpr char const* mpi_module_file = "kvstone_mpi.so";
constexpr char const* mpi_module_symbol = "kvstone_open_mpi_transport_2";

/// Starts MPI; the transport's leave() ends it. Throws SystemError.
using OpenMpiTransport = Transport*();

}  // namespace kvstone
