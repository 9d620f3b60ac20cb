#pragma once
// The worker of a run in one process.

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cluster/in_process.hpp"
#include "cluster/worker.hpp"

namespace kvstone {

/// A world of two for a run in one process: the caller's thread coordinates, the other measures. The caller has to stop
/// it (see Stop) before it is destroyed.
class SoleWorker {
  public:
    SoleWorker(Transport& alone, WorkerInfo self, MeasureFunction measure, WorkerOptions options)
        : world_(2, [&alone](int exit_code) { alone.abort(exit_code); }),
          coordinator_end_(world_.transport(0)),
          thread_([this, self = std::move(self), measure = std::move(measure), options] {
              try {
                  serve(*world_.transport(1), self, measure, options);
              } catch (std::exception const& error) {
                  world_.lose(1, error.what());
              }
          }) {}
    ~SoleWorker() { thread_.join(); }
    SoleWorker(SoleWorker const&) = delete;
    SoleWorker& operator=(SoleWorker const&) = delete;
    Transport& transport() { return *coordinator_end_; }

  private:
    InProcessWorld world_;
    std::unique_ptr<Transport> coordinator_end_;
    std::thread thread_;
};

}  // namespace kvstone
