#pragma once

#include <memory>

#include "harness/attempts/child_process.hpp"

namespace kvstone {

/// A small process, forked before MPI and Kokkos start, that spawns the attempts: a child of a large or threaded
/// process would inherit its peak size. The spawner, and every process below it, ends with the thread that made it. It
/// has a session of its own and ignores signals that ask a program to end: when a whole process group or job gets one,
/// its parent decides. Each child gets a session of its own; when its first process ends, the processes that it left
/// running are killed. A child's descriptors are 0 to 3, its signals are at their defaults, it leaves no core file, and
/// the kernel kills it first when memory runs out. Under an MPI launcher, which pins each rank, children may use every
/// processor of the node that the cgroup allows; otherwise the processors of the process that started KVstone (taskset
/// is obeyed). Not thread safe, except cancel(): one child at a time.
class Spawner {
  public:
    Spawner();  ///< forks. Throws SystemError.
    ~Spawner();
    Spawner(Spawner const&) = delete;
    Spawner& operator=(Spawner const&) = delete;
    /// Runs one child to its end. Throws SystemError where the helper is gone.
    ChildOutcome run(ChildCommand const& command);
    /// Kills and reaps the running child with all its descendants; from now on run() returns at once, with `cancelled`
    /// set. May be called from any thread.
    void cancel();
    /// Physical cores that children may use.
    int cores() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
