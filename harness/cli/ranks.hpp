#pragma once
// The part of every rank of an MPI job in a verb, and the end of the job when a rank fails.

#include <functional>

#include "cluster/transport.hpp"
#include "harness/cli/exit_code.hpp"

namespace kvstone {

/// Runs this rank's part and leaves the world with its exit code. The part sets `met` as soon as the ranks watch each
/// other (a Coordinator or serve()). An exception before that is printed at once, as a single process prints it, and
/// ends every rank: rank 0 dismisses the others; where one does not answer, or another rank failed, the launcher ends
/// the remaining ranks.
ExitCode among_ranks(Transport& world, std::function<ExitCode(bool& met)> const& part);

}  // namespace kvstone
