#pragma once
// Rounds of passes, each in the same process and memory as the copy it is compared with.
//
// Kokkos takes its number of threads once and for all, so each number has a worker process of its own, which measures one
// round after the other as it is asked; the other waits meanwhile.

#include <cstdio>
#include <string>

namespace kvstone::bench {

/// One direction of one codec.
struct Request {
    std::string codec;  ///< text
    bool encode = true;
};

/// Times of one round, taken one after the other; 0 where there is nothing of the kind.
struct Round {
    double roofline_ns = 0;  ///< copy of the tensor
    double pass_ns = 0;
    double plain_ns = 0;  ///< the loop that anyone would write, one thread
    double peer_ns = 0;   ///< another library's function, one thread
    double values = 0;
    double tensor_bytes = 0;
    double traffic_bytes = 0;       ///< as the method must read and write at the least
    double traffic_once_bytes = 0;  ///< with every value read or written once
    double stored_bytes = 0;
};

/// Answers requests from standard input on standard output until that ends.
int serve_rounds();

/// A process that runs serve_rounds() with some number of threads.
class RoundWorker {
  public:
    explicit RoundWorker(int threads);
    ~RoundWorker();
    RoundWorker(RoundWorker const&) = delete;
    RoundWorker& operator=(RoundWorker const&) = delete;

    /// Throws runtime_error with the worker's message where it failed.
    Round round(Request const& request);

  private:
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
    int process_ = -1;
};

}  // namespace kvstone::bench
