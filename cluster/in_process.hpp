#pragma once
// Ranks as threads of one process: runs without MPI use them, and so do the dispatcher's tests.

#include <functional>
#include <memory>

#include "cluster/transport.hpp"

namespace kvstone {

/// A world of `size` ranks with a queue each. Each rank's transport belongs to one thread.
class InProcessWorld {
  public:
    /// on_abort handles Transport::abort; left out, the process ends with that exit code, without clean-up.
    explicit InProcessWorld(int size, std::function<void(int)> on_abort = {});
    ~InProcessWorld();

    /// The end of one rank. The world must outlive it.
    std::unique_ptr<Transport> transport(int rank);
    /// Takes a rank out, as if its process had died: the others see RankLost, its own calls throw SystemError.
    void lose(int rank, std::string const& why);

  private:
    class Rank;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
