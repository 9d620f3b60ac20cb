#pragma once
// What every rank of an MPI job does in a verb, and how the job ends when one of them cannot.

#include <functional>

#include "cluster/transport.hpp"
#include "harness/cli/exit_code.hpp"

namespace kvstone {

/// Does this rank's part and leaves the world with its exit code. The part sets `met` as soon as the ranks look after each
/// other's end (a Coordinator or serve()). What it throws before is told at once, as one process tells it, and
/// ends every rank: rank 0 dismisses the others, and where one does not answer, or another rank failed, the launcher ends
/// those that are left.
ExitCode among_ranks(Transport& world, std::function<ExitCode(bool& met)> const& part);

}  // namespace kvstone
