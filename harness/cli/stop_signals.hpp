#pragma once

#include <atomic>
#include <functional>

namespace kvstone {

/// Set by the first of the signals that ask a program to end: no new attempt is begun.
inline std::atomic<bool> stop_requested{false};
/// Set by the second: attempts under way are ended at once.
inline std::atomic<bool> stop_urged{false};
static_assert(std::atomic<bool>::is_always_lock_free);

/// From now on these signals set the flags: SIGINT, SIGTERM, SIGHUP (unless it is ignored, as under nohup), SIGUSR1 and
/// SIGUSR2 (a batch system sends one before its time limit). The third signal ends the process at once, with exit code
/// 130.
void stop_on_signals();

/// How long attempts under way may continue after the stop: after SIGUSR1 until 20 s before the end of the batch job,
/// where its system gives that time (Slurm's SLURM_JOB_END_TIME, seconds since 1970); else 10 s. `variable` answers
/// like getenv.
double stop_grace_s(std::function<char const*(char const*)> const& variable);

}  // namespace kvstone
