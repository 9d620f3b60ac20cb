#pragma once
// Messages between ranks, so that the dispatcher runs the same over MPI, in one process, and in a simulator.

#include <cstdint>
#include <optional>
#include <string>

namespace kvstone {

struct Message {
    int from = 0;
    std::string body;  ///< JSON
};

/// Reliable, ordered per pair of ranks. Not thread safe unless an implementation says so.
class Transport {
 public:
    virtual ~Transport() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    virtual void send(int to, std::string const& body) = 0;
    /// Waits up to the timeout; nothing where none came.
    virtual std::optional<Message> receive(double timeout_s) = 0;
};

}  // namespace kvstone
