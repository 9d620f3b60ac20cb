#pragma once

#include <memory>

#include "harness/attempts/child_process.hpp"

namespace kvstone {

/// A small process, forked before MPI and Kokkos start, that spawns the attempts: a child of a large or threaded
/// process would inherit its peak size. It, and every process below it, dies with the thread that made it. It has a
/// session of its own and ignores what asks a program to end, so that signals to a whole process group or job leave the
/// decision to its parent. Each child gets a session of its own and, when its first process ends, whatever it left
/// running is killed; its descriptors are 0 to 3, its signals are at their defaults, it leaves no core file, and the kernel
/// takes it first when memory runs out. Under an MPI launcher, which pins each rank, children may use every processor of the
/// node that the cgroup allows; otherwise the processors of whoever started KVstone (taskset is obeyed). Not thread safe, but
/// for cancel(): one child at a time.
class Spawner {
  public:
    Spawner();  ///< forks. Throws SystemError.
    ~Spawner();
    Spawner(Spawner const&) = delete;
    Spawner& operator=(Spawner const&) = delete;
    /// Runs one child to its end. Throws SystemError where the helper is gone.
    ChildOutcome run(ChildCommand const& command);
    /// Kills and reaps the running child with all its descendants; from now on run() returns at once, with `cancelled`
    /// set. For any thread.
    void cancel();
    /// Physical cores that children may use.
    int cores() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
