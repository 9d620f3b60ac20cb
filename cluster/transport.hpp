#pragma once
// Messages between ranks, so that the dispatcher runs the same over MPI, in one process, and in a simulator.

#include <cstdint>
#include <optional>
#include <string>

#include "scenarios/errors.hpp"

namespace kvstone {

struct Message {
    int from = 0;
    std::string body;  ///< JSON
};

/// A peer that will never answer again.
class RankLost : public SystemError {
  public:
    RankLost(int lost_rank, std::string const& why);  ///< "rank N is lost: WHY"
    int rank() const { return rank_; }

  private:
    int rank_;
};

/// Reliable, ordered per pair of ranks. Not thread safe unless an implementation says so.
class Transport {
  public:
    virtual ~Transport() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    /// Does not wait for the receiver. Throws RankLost where the receiver is known to be gone.
    virtual void send(int to, std::string const& body) = 0;
    /// Waits up to the timeout, asleep; nothing where none came. Throws RankLost once for each peer that was lost;
    /// messages of the other ranks go on arriving afterwards.
    virtual std::optional<Message> receive(double timeout_s) = 0;
    /// Ends every rank of the world at once with this exit code: used where a rank no longer answers.
    virtual void abort(int exit_code) = 0;
    /// The last call: no message is sent or received afterwards. Where other ranks died, leaving MPI properly may never
    /// end: then the process ends here, with this exit code, so all output has to be written before. A rank that ends
    /// without this call ends the other ranks.
    virtual void leave([[maybe_unused]] int exit_code) {}
};

}  // namespace kvstone
