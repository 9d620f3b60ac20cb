#pragma once

namespace kvstone {

/// Lets the calling thread run on every processor of OpenMP's places: OpenMP binds the thread that calls it to one of
/// them, and threads and programs that this thread starts inherit that.
void leave_the_callers_place();

}  // namespace kvstone
