#pragma once
// Rank 0 deals cells to the ranks that measure. A run in one process is the same code over a world of two threads.
//
//   Spawner spawner;                                  // forks, so before MPI starts
//   auto const world = open_world();
//   MeasureFunction const measure = [&](WorkItem const& item) { return run_attempt(spawner, {item.cell, ...}); };
//   WorkerInfo const self{node_name(), hardware_class, {"openmp"}, host};
//   if (world->rank() != 0) { serve(*world, self, measure); return 0; }
//   std::vector<WorkItem> items;                      // load the plan, open the store, then
//   Coordinator coordinator(*world, self, measure);   // whatever is thrown from here on, it dismisses the others
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
    std::optional<double> left_s;  ///< at the pace so far, by estimates; nothing before the first measured item
};

/// Called on the thread that called run. What they throw ends the run and comes out of it.
struct Callbacks {
    /// Each item once, but for blocks, in any order: all that came in since the last call, whose workers measure on
    /// meanwhile.
    std::function<void(std::vector<Measurement> const&)> results;
    /// An attempt whose worker was lost, loss_delay_s ago; its item is queued again. Not told after a stop.
    std::function<void(Measurement const&)> lost = {};
    std::function<void(Progress const&)> progress = {};   ///< after each call of results and block
    std::function<void(std::string const&)> notice = {};  ///< a rank lost, an item queued again
    /// Each block once, by its index among the items: what its calls brought, in their order. All are node_lost where it
    /// was given up. A block that is interrupted is missing as a whole.
    std::function<void(std::size_t item, std::vector<Measurement> const&)> block = {};
    /// Asked before items are dealt. Where it says no, those that nobody holds are missing. Empty: it never does.
    std::function<bool()> go_on = {};
};

struct DispatchOptions {
    /// Set by a signal handler: nothing more is dealt. Null: never.
    std::atomic<bool> const* stop = nullptr;
    /// Set by a second signal: the grace is over. Null: never.
    std::atomic<bool> const* hurry = nullptr;
    /// How long a stopped run waits for attempts under way. Then they are cancelled: not made, and no loss. Only what
    /// stands (ok, verify_failed) is reported after a stop: a failure may be the same signal's doing, and counts as not
    /// made.
    double grace_s = 10;
    /// The grace where it depends on when the stop came: asked at that moment. Empty: grace_s.
    std::function<double()> grace_left_s = {};
    /// How long after a rank was lost rank 0 has to live for the loss to count: whatever kills a whole job kills its ranks
    /// one after the other.
    double loss_delay_s = 2;
    /// A worker that stays silent this long after its item's own time limit counts as lost.
    double lease_slack_s = 60;
    /// A rank that has not offered itself by then counts as lost.
    double hello_timeout_s = 120;
    /// Whether a worker's figures may stand beside those of the first, which is the lowest rank that offers itself. Where
    /// this is set, nothing is dealt before every rank has offered itself or is lost, and workers that are not alike are
    /// left out, with a notice. Empty: all are dealt to.
    std::function<bool(WorkerInfo const& first, WorkerInfo const& worker)> alike = {};
    /// Of the worker in a world of one rank, see WorkerOptions.
    Spool* spool = nullptr;
    std::function<void()> cancel = {};
};

struct Outcome {
    bool interrupted = false;
    std::size_t ok = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
    std::vector<WorkItem> missing;  ///< not reported: stopped, or every rank that could have run them was lost
};

/// Rank 0. Measures nothing itself where there are others, so that it stays asleep while they time something; alone, it
/// measures on a thread of its own.
class Coordinator {
  public:
    /// `self` and `measure` are for a world of one rank, and `self.host` for the rows of cells that no rank can run.
    Coordinator(Transport& world, WorkerInfo self, MeasureFunction measure, DispatchOptions options = {});
    /// Dismisses the ranks, unless that was done. One that stays silent takes the whole job down through Transport::abort,
    /// with exit code 4 (after an interruption: 130).
    ~Coordinator();
    Coordinator(Coordinator const&) = delete;
    Coordinator& operator=(Coordinator const&) = delete;

    /// Has every item measured by a rank that offers its backend. May be called again with other items.
    /// - An item whose backend no rank offers is reported as skipped, with the reason.
    /// - A lost rank's item is queued again, a block as a whole; lost twice (earlier runs count), or with no other rank to
    ///   run it, it is reported as node_lost.
    /// - A rank that was told to end takes no further item; the one it held is queued again.
    /// - A rank in trouble with its spool ends the run: throws SystemError.
    Outcome run(std::vector<WorkItem> items, Callbacks const& callbacks);
    /// Nodes of the workers that may be dealt to, as the last run left them.
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
