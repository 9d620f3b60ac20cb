#pragma once
// The ranks that measure.

#include <functional>

#include "cluster/protocol.hpp"
#include "cluster/transport.hpp"

namespace kvstone {

using MeasureFunction = std::function<Measurement(WorkItem const&)>;

/// Offers itself to rank 0, measures what it is dealt, one item at a time, and returns when told to stop. Whatever
/// `measure` throws becomes a Measurement with status error; a message that cannot be read is answered, not fatal.
/// Throws SystemError where rank 0 or this rank's transport is lost.
void serve(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure);

}  // namespace kvstone
