#pragma once
// Rank 0 deals cells to the ranks that measure. A run in one process is the same code over a world of two threads.
//
//   Spawner spawner;                                  // forks, so before MPI starts
//   auto const world = open_world();
//   MeasureFunction const measure = [&](WorkItem const& item) { return run_attempt(spawner, {item.cell, ...}); };
//   WorkerInfo const self{node_name(), hardware_class, {"openmp"}, host};
//   if (world->rank() != 0) { serve(*world, self, measure); return 0; }
//   std::vector<WorkItem> items;                      // load the plan, open the store, then
//   Coordinator coordinator(*world, self, measure);   // from here on it dismisses the others, also after an exception
//   for (auto const& [id, process] : store.pending(campaign)) items.push_back({cell(id), plan.measure, process});
//   auto const outcome = coordinator.run(items, {.results = [&](auto const& some) { store.ingest(campaign, some); }});
//   exit code: outcome.interrupted ? 130 : outcome.failed > 0 ? 4 : !outcome.missing.empty() ? 5 : 0

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/protocol.hpp"
#include "cluster/transport.hpp"
#include "cluster/worker.hpp"

namespace kvstone {

struct Progress {
    std::size_t total = 0;
    std::size_t done = 0;     ///< of total, reported in any way
    std::size_t failed = 0;   ///< of done, with a status other than ok and skipped
    std::size_t skipped = 0;  ///< of done
    std::size_t running = 0;
    double elapsed_s = 0;
    std::optional<double> left_s;  ///< at the pace so far, by estimates; empty before the first measured item
};

/// Called on the thread that called run(). An exception of theirs ends the run, and run() throws it.
struct Callbacks {
    /// Each item once, except blocks, in any order: all items that came in since the last call, while their workers
    /// already measure others.
    std::function<void(std::vector<Measurement> const&)> results;
    /// An attempt whose worker was lost, called loss_delay_s later; its item is queued again. Not called after a stop.
    std::function<void(Measurement const&)> lost = {};
    std::function<void(Progress const&)> progress = {};   ///< after each call of results and block
    std::function<void(std::string const&)> notice = {};  ///< a rank lost, an item queued again
    /// Each block once, by its index among the items: the measurements of its calls, in their order. All are node_lost
    /// where the block was given up. A block that is interrupted is missing as a whole.
    std::function<void(std::size_t item, std::vector<Measurement> const&)> block = {};
    /// Asked before items are dealt. After false, items that no worker holds are missing. Empty: always true.
    std::function<bool()> go_on = {};
};

struct DispatchOptions {
    /// Set by a signal handler: no more items are dealt. Null: never set.
    std::atomic<bool> const* stop = nullptr;
    /// Set by a second signal: the grace is over. Null: never set.
    std::atomic<bool> const* hurry = nullptr;
    /// How long a stopped run waits for attempts under way. Afterwards they are cancelled: not made, and not a loss.
    /// Only attempts that stand (ok, verify_failed) are reported after a stop: the same signal may have caused a
    /// failure, which counts as not made.
    double grace_s = 10;
    /// The grace where it depends on the time of the stop: called at that moment. Empty: grace_s.
    std::function<double()> grace_left_s = {};
    /// How long rank 0 has to live after a rank was lost for the loss to count: the end of a whole job kills its ranks
    /// one after the other.
    double loss_delay_s = 2;
    /// A worker that stays silent this long after its item's own time limit counts as lost.
    double lease_slack_s = 60;
    /// A rank that has not offered itself within this time counts as lost.
    double hello_timeout_s = 120;
    /// Whether a worker's figures may stand beside those of the first worker, which is the lowest rank that offers
    /// itself. Where this is set, dealing starts when every rank has offered itself or is lost, and unlike workers are
    /// left out, with a notice. Empty: all workers are used.
    std::function<bool(WorkerInfo const& first, WorkerInfo const& worker)> alike = {};
    /// For the worker in a world of one rank, see WorkerOptions.
    Spool* spool = nullptr;
    std::function<void()> cancel = {};
};

struct Outcome {
    bool interrupted = false;
    std::size_t ok = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
    std::vector<WorkItem> missing;  ///< not reported: the run was stopped, or all ranks that could run them were lost
};

/// Rank 0. It measures nothing itself where there are other ranks, so that it sleeps while they time something; alone,
/// it measures on a thread of its own.
class Coordinator {
  public:
    /// `self` and `measure` are for a world of one rank, and `self.host` for the rows of cells that no rank can run.
    Coordinator(Transport& world, WorkerInfo self, MeasureFunction measure, DispatchOptions options = {});
    /// Dismisses the ranks, unless dismiss() has done so. A rank that stays silent ends the whole job through
    /// Transport::abort, with exit code 4 (after an interruption: 130).
    ~Coordinator();
    Coordinator(Coordinator const&) = delete;
    Coordinator& operator=(Coordinator const&) = delete;

    /// Has every item measured by a rank that offers its backend. May be called again with other items.
    /// - An item whose backend no rank offers is reported as skipped, with the reason.
    /// - A lost rank's item is queued again, a block as a whole; lost twice (earlier runs count), or with no other rank
    /// to run it, it is reported as node_lost.
    /// - A rank that was told to end takes no further item; the one it held is queued again.
    /// - A rank in trouble with its spool ends the run: throws SystemError.
    Outcome run(std::vector<WorkItem> items, Callbacks const& callbacks);
    /// Nodes of the workers that may be given items, after the last run.
    std::size_t nodes() const;
    /// The last call: tells every rank to stop, and which of its attempts are stored, and waits until it says goodbye.
    /// Returns those that stayed silent beyond their lease (after an interruption: beyond 5 s).
    std::vector<int> dismiss();

  private:
    class Run;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
