#pragma once

#include <atomic>

namespace kvstone {

/// Set by the first of the signals that ask a program to end: nothing new is begun any more.
inline std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

/// From now on SIGINT, SIGTERM and SIGUSR1 (a batch system's word before its time limit) set it.
void stop_on_signals();

}  // namespace kvstone
