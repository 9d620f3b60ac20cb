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
    /// Where attempts are written before they are reported; removed at the end where all of them are stored. Null:
    /// nowhere.
    Spool* spool = nullptr;
    /// Set by a signal handler: an attempt that fails from then on may be the signal's doing, and was not made; no other is
    /// begun. Null: never.
    std::atomic<bool> const* stop = nullptr;
    /// Set by a second signal: the attempt under way is cancelled. Null: never.
    std::atomic<bool> const* hurry = nullptr;
    /// Ends the attempt under way, so that `measure` returns soon, whatever it returns; called while it runs, from another
    /// thread. Empty: a measurement cannot be ended, and messages wait for it.
    std::function<void()> cancel = {};
};

/// Offers itself to rank 0, measures what it is dealt, one item at a time, and returns when told to stop. Whatever
/// `measure` throws becomes a Measurement with status error; a message that cannot be read is answered, not fatal.
/// Throws SystemError where rank 0 or this rank's transport is lost.
void serve(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure, WorkerOptions options = {});

}  // namespace kvstone
