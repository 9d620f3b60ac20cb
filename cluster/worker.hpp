#pragma once
// The ranks that measure.

#include <atomic>
#include <functional>

#include "cluster/protocol.hpp"
#include "cluster/spool.hpp"
#include "cluster/transport.hpp"

namespace kvstone {

using MeasureFunction = std::function<Measurement(WorkItem const&)>;

struct WorkerOptions {
    /// Where attempts are written before they are reported; removed at the end where all of them are stored. Null: no
    /// spool.
    Spool* spool = nullptr;
    /// Set by a signal handler. An attempt that fails afterwards counts as not made, since the signal may have caused
    /// it; no other attempt is begun. Null: never set.
    std::atomic<bool> const* stop = nullptr;
    /// Set by a second signal: the attempt under way is cancelled. Null: never set.
    std::atomic<bool> const* hurry = nullptr;
    /// Ends the attempt under way, so that `measure` returns soon with any result; called from another thread while it
    /// runs. Empty: a measurement cannot be ended, and messages wait until it is done.
    std::function<void()> cancel = {};
};

/// Offers itself to rank 0, measures the items that it is given, one at a time, and returns when told to stop. An
/// exception of `measure` becomes a Measurement with status error; a message that cannot be read is answered, and does
/// not end the worker. Throws SystemError where rank 0 or this rank's transport is lost.
void serve(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure, WorkerOptions options = {});

}  // namespace kvstone
