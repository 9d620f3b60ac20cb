#pragma once
// One child process from fork to burial, watched by a process that does nothing else meanwhile.

#include "harness/attempt.hpp"

namespace kvstone {

/// Runs a child to its end, and kills what it left behind. Where `owner`, a connected socket, has anything to read
/// meanwhile, the child is killed and its outcome is `cancelled` (what is there stays unread); where it hangs up, kills the
/// child and ends this process. Requires a single-threaded process that ignores SIGPIPE and reaps no other
/// children. Throws SystemError where no process or pipe can be made.
ChildOutcome run_child(ChildCommand const& command, int owner);

/// Kills the running child's session, if there is one. Async-signal-safe.
void kill_running_child() noexcept;

/// The last `bytes` of a text, with what is not UTF-8 replaced by U+FFFD.
std::string utf8_tail(std::string_view text, std::size_t bytes);

}  // namespace kvstone
