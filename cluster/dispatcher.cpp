#include "cluster/dispatcher.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <limits>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/in_process.hpp"
#include "cluster/scheduler.hpp"
#include "cluster/worker_pool.hpp"
#include "results/record/utc.hpp"

namespace kvstone {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double look_at_stop_s = 0.2;  // how soon an interruption is noticed
constexpr int most_at_once = 256;       // events before idle workers are dealt to
constexpr double goodbye_s = 10;        // an idle rank answers at once; a slow network may not
constexpr double cancel_s = 5;          // a cancelled attempt is killed and reaped; the same network

/// A world of two for a run in one process: this thread coordinates, the other measures.
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

}  // namespace

struct Coordinator::State {
    State(Transport& world, WorkerInfo self, MeasureFunction measure, DispatchOptions given)
        : options(given),
          host(self.host),
          sole(world.size() > 1
                   ? nullptr
                   : std::make_unique<SoleWorker>(world, std::move(self), std::move(measure),
                                                  WorkerOptions{given.spool, given.stop, given.hurry, given.cancel})),
          transport(sole ? sole->transport() : world),
          pool(transport) {}

    DispatchOptions options;
    Json host;
    std::unique_ptr<SoleWorker> sole;
    Transport& transport;
    WorkerPool pool;
    bool interrupted = false;  ///< a run saw the stop flag
    std::string failure;       ///< what came out of a run
};

/// One list of items on its way through the pool.
class Coordinator::Run {
  public:
    Run(State& state, std::vector<WorkItem> items, Callbacks const& callbacks)
        : state_(state),
          pool_(state.pool),
          callbacks_(callbacks),
          total_(items.size()),
          left_estimated_s_(sum_of_estimates(items)),
          started_s_(pool_.now_s()),
          scheduler_(std::move(items), state.options.lease_slack_s) {
        for (int const rank : pool_.idle()) scheduler_.join(rank, pool_.workers().at(rank));
    }

    Outcome operator()() {
        while (scheduler_.queued() > 0 || !scheduler_.leases().empty() || !losses_.empty()) {
            if (stopped()) {
                drain();
                break;
            }
            if (pool_.awaited().empty()) settle_unserved();
            deal();
            hand_over();  // while the workers measure
            if (scheduler_.leases().empty() && pool_.awaited().empty() && losses_.empty()) continue;
            step(next_look_s());
        }
        hand_over();
        for (auto& item : scheduler_.take_rest()) outcome_.missing.push_back(std::move(item));
        return std::move(outcome_);
    }

  private:
    /// A loss that counts if rank 0 is there a while later.
    struct Loss {
        double counts_s = 0;
        WorkItem item;
        Measurement measurement;
        bool given_up = false;  ///< else its item is queued again
    };
    static bool set(std::atomic<bool> const* flag) { return flag != nullptr && *flag; }
    bool stopped() const { return set(state_.options.stop); }

    void deal() {
        auto const idle = pool_.idle();
        for (int const rank : idle) {
            auto const* item = scheduler_.deal(rank, pool_.now_s());
            if (item == nullptr) continue;
            auto const why = pool_.deal(rank, *item, scheduler_.leases().at(rank).deadline_s);
            if (why) lost(rank, *why);
        }
    }

    double next_look_s() const {
        double next_s = scheduler_.next_deadline_s();
        if (!pool_.awaited().empty()) next_s = std::min(next_s, state_.options.hello_timeout_s);
        if (!losses_.empty()) next_s = std::min(next_s, losses_.front().counts_s);
        if (state_.options.stop != nullptr) next_s = std::min(next_s, pool_.now_s() + look_at_stop_s);
        return std::clamp(next_s - pool_.now_s(), 0.0, 60.0);
    }

    /// What happens next and what has happened meanwhile, or the end of somebody's time.
    void step(double timeout_s) {
        for (int taken = 0; taken < most_at_once; ++taken) {
            auto event = pool_.wait(taken == 0 ? timeout_s : 0);
            if (!event) break;
            on(*event);
        }
        double const now_s = pool_.now_s();
        for (int const rank : scheduler_.expired(now_s)) silent(rank, "did not report before its lease ended");
        if (now_s >= state_.options.hello_timeout_s) {
            auto const awaited = pool_.awaited();
            for (int const rank : awaited) silent(rank, "did not offer itself in time");
        }
        if (!stopped()) count_losses();
    }

    void count_losses() {
        while (!losses_.empty() && losses_.front().counts_s <= pool_.now_s()) {
            auto const loss = std::move(losses_.front());
            losses_.pop_front();
            if (loss.given_up)
                report(loss.item, loss.measurement);
            else if (callbacks_.lost)
                callbacks_.lost(loss.measurement);
        }
    }

    void on(WorkerPool::Event& event) {
        int const rank = event.rank;
        if (auto const* loss = std::get_if<WorkerPool::Lost>(&event.what)) return lost(rank, loss->why);
        if (std::holds_alternative<NotMade>(event.what)) {
            if (!stopped()) notice(fmt::format("rank {} was told to end: it is dealt nothing more", rank));
            return scheduler_.leave(rank);
        }
        scheduler_.join(rank, pool_.workers().at(rank));
        if (auto* result = std::get_if<Result>(&event.what)) {
            auto& measurement = result->measurement;
            auto const* item = scheduler_.finish(rank, measurement.attempt_id);
            if (item != nullptr) return report(*item, std::move(measurement), rank);
            notice(fmt::format("rank {} reported attempt {} too late: not counted", rank, measurement.attempt_id));
        } else if (auto const* trouble = std::get_if<Trouble>(&event.what)) {
            hand_over();
            throw SystemError(fmt::format("rank {}: {}", rank, trouble->reason));
        } else if (auto const* unreadable = std::get_if<Unreadable>(&event.what)) {
            notice(fmt::format("rank {}: {}", rank, unreadable->reason));
            auto const lease = scheduler_.leases().find(rank);
            if (lease == scheduler_.leases().end()) return;
            auto const attempt_id = lease->second.attempt_id;
            auto const* item = scheduler_.finish(rank, attempt_id);
            report(*item, verdict(*item, Status::error, fmt::format("rank {}: {}", rank, unreadable->reason)));
        }
    }

    void silent(int rank, std::string const& why) {
        pool_.mark_silent(rank);
        lost(rank, fmt::format("rank {} {}", rank, why));
    }

    void lost(int rank, std::string const& why) {
        notice(why);
        if (stopped()) return scheduler_.leave(rank);  // it may have died of the same signal
        auto const loss = scheduler_.lose(rank);
        if (loss.item == nullptr) return;
        bool const given_up = loss.fate == Scheduler::Fate::given_up;
        losses_.push_back({pool_.now_s() + state_.options.loss_delay_s, *loss.item,
                           verdict(*loss.item, Status::node_lost, why), given_up});
        if (!given_up) notice(fmt::format("cell {} is queued again", loss.item->cell.id));
    }

    /// Items that nobody can run: skipped where nobody ever could, missing where those who could are gone.
    void settle_unserved() {
        auto const& offered = pool_.offered();
        for (auto& item : scheduler_.take_unserved()) {
            auto const& backend = item.cell.backend;
            if (!pool_.complete() || offered.contains(backend)) {
                outcome_.missing.push_back(std::move(item));
                continue;
            }
            item.attempt_id = new_attempt_id();
            report(item, verdict(item, Status::skipped,
                                 fmt::format("no rank offers backend '{}'; offered: {}", backend,
                                             offered.empty() ? "none" : fmt::format("{}", fmt::join(offered, ", ")))));
        }
    }

    /// After a stop: waits for what is being measured as long as the grace lasts, then cancels it.
    void drain() {
        outcome_.interrupted = draining_ = state_.interrupted = true;
        for (auto& loss : losses_)
            if (loss.given_up) outcome_.missing.push_back(std::move(loss.item));
        losses_.clear();
        auto const& options = state_.options;
        double const grace_s = options.grace_left_s ? options.grace_left_s() : options.grace_s;
        if (!scheduler_.leases().empty())
            notice(fmt::format("interrupted: attempts under way have {:.0f} s more; a second signal ends them at once",
                               grace_s));
        await_leases(pool_.now_s() + grace_s, options.hurry);
        if (scheduler_.leases().empty()) return;
        pool_.cancel();
        await_leases(pool_.now_s() + cancel_s, nullptr);
    }

    void await_leases(double until_s, std::atomic<bool> const* hurry) {
        while (!scheduler_.leases().empty() && pool_.now_s() < until_s && !set(hurry)) {
            step(std::clamp(until_s - pool_.now_s(), 0.0, look_at_stop_s));
            hand_over();
        }
    }

    Measurement verdict(WorkItem const& item, Status status, std::string reason) const {
        Measurement measurement;
        measurement.attempt_id = item.attempt_id;
        measurement.cell_id = item.cell.id;
        measurement.process = item.process;
        measurement.status = status;
        measurement.reason = std::move(reason);
        measurement.started_utc = measurement.finished_utc = utc_now();
        measurement.host = state_.host;
        return measurement;
    }

    /// `rank` is the one that measured; -1: none did.
    void report(WorkItem const& item, Measurement measurement, int rank = -1) {
        if (draining_ && !stands(measurement.status)) {
            outcome_.missing.push_back(item);
            return;
        }
        left_estimated_s_ -= weight_of(item);
        if (measurement.status != Status::skipped) done_estimated_s_ += weight_of(item);
        if (measurement.status == Status::ok) {
            ++outcome_.ok;
        } else if (measurement.status == Status::skipped) {
            ++outcome_.skipped;
        } else {
            ++outcome_.failed;
        }
        if (rank >= 0) reporters_.emplace_back(rank, measurement.attempt_id);
        reported_.push_back(std::move(measurement));
    }

    void hand_over() {
        if (reported_.empty()) return;
        callbacks_.results(std::exchange(reported_, {}));
        for (auto const& [rank, attempt_id] : std::exchange(reporters_, {})) pool_.note_stored(rank, attempt_id);
        if (callbacks_.progress) callbacks_.progress(progress());
    }

    Progress progress() const {
        Progress now;
        now.total = total_;
        now.failed = outcome_.failed;
        now.skipped = outcome_.skipped;
        now.done = outcome_.ok + now.failed + now.skipped;
        now.running = scheduler_.leases().size();
        now.elapsed_s = pool_.now_s() - started_s_;
        // Longest first: by number of items the first ones would say far too much.
        if (done_estimated_s_ > 0)
            now.left_s = now.done == total_ ? 0 : now.elapsed_s * left_estimated_s_ / done_estimated_s_;
        return now;
    }

    /// Items without an estimate count alike.
    static double weight_of(WorkItem const& item) { return item.estimated_s > 0 ? item.estimated_s : 1; }
    static double sum_of_estimates(std::vector<WorkItem> const& items) {
        double sum_s = 0;
        for (auto const& item : items) sum_s += weight_of(item);
        return sum_s;
    }

    void notice(std::string const& text) const {
        if (callbacks_.notice) callbacks_.notice(text);
    }

    State& state_;
    WorkerPool& pool_;
    Callbacks const& callbacks_;
    std::size_t total_;
    double left_estimated_s_;  ///< of items not reported
    double done_estimated_s_ = 0;
    double started_s_;
    Scheduler scheduler_;
    Outcome outcome_;
    std::vector<Measurement> reported_;                   ///< not handed over yet
    std::vector<std::pair<int, std::string>> reporters_;  ///< rank and attempt of those that were measured
    std::deque<Loss> losses_;                             ///< that do not count yet, by time
    bool draining_ = false;
};

Coordinator::Coordinator(Transport& world, WorkerInfo self, MeasureFunction measure, DispatchOptions options)
    : state_(std::make_unique<State>(world, std::move(self), std::move(measure), options)) {}

Outcome Coordinator::run(std::vector<WorkItem> items, Callbacks const& callbacks) {
    try {
        return Run(*state_, std::move(items), callbacks)();
    } catch (std::exception const& error) {
        state_->failure = error.what();
        throw;
    }
}

Coordinator::~Coordinator() {
    auto& state = *state_;
    double const patience_s = state.pool.awaited().empty() ? goodbye_s : state.options.hello_timeout_s;
    double const latest_s = state.interrupted ? state.pool.now_s() + cancel_s : never;
    try {
        auto const silent = state.pool.dismiss(patience_s, latest_s);
        if (silent.empty()) return;
        auto const who = state.sole
                             ? std::string("the attempt under way does not end: it is left behind")
                             : fmt::format("no answer from rank {}: every rank is ended", fmt::join(silent, ", "));
        // Whoever would catch the exception that brought us here never will: its words are said now.
        auto const last_words = fmt::format("kvstone: {}{}{}\n", who, state.failure.empty() ? "" : "; ", state.failure);
        std::fputs(last_words.c_str(), stderr);
        state.transport.abort(state.interrupted ? 130 : 4);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "kvstone: while the ranks were dismissed: %s\n", error.what());
    }
}

}  // namespace kvstone
