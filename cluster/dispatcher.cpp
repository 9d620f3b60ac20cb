#include "cluster/dispatcher.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/scheduler.hpp"
#include "cluster/sole_worker.hpp"
#include "cluster/tally.hpp"
#include "cluster/worker_pool.hpp"
#include "results/record/utc.hpp"

namespace kvstone {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double look_at_stop_s = 0.2;  // how soon an interruption is noticed
constexpr int most_at_once = 256;       // events before idle workers are dealt to
constexpr double goodbye_s = 10;        // an idle rank answers at once; a slow network may not
constexpr double cancel_s = 5;          // a cancelled attempt is killed and reaped; the same network

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
    std::optional<WorkerInfo> first;  ///< whom the others have to be like, once every rank has spoken
    std::set<int> left_out;           ///< ranks that are not
    bool dismissed = false;
    bool interrupted = false;  ///< a run saw the stop flag
    std::string failure;       ///< the failure of a run
};

/// One list of items on its way through the pool.
class Coordinator::Run {
  public:
    Run(State& state, std::vector<WorkItem> items, Callbacks const& callbacks)
        : state_(state),
          pool_(state.pool),
          callbacks_(callbacks),
          tally_(items),
          started_s_(pool_.now_s()),
          scheduler_(std::move(items), state.options.lease_slack_s) {}

    Outcome operator()() {
        while (scheduler_.queued() > 0 || !scheduler_.leases().empty() || !losses_.empty()) {
            if (stopped()) {
                drain();
                break;
            }
            join_idle();
            if (pool_.awaited().empty()) settle_unserved();
            deal();
            hand_over();  // while the workers measure
            if (scheduler_.leases().empty() && pool_.awaited().empty() && losses_.empty()) continue;
            step(next_look_s());
        }
        hand_over();
        tally_.tell(outcome_);
        for (auto& item : scheduler_.take_rest()) outcome_.missing.push_back(std::move(item));
        return std::move(outcome_);
    }

  private:
    /// A loss that counts if rank 0 is there a while later.
    struct Loss {
        double counts_s = 0;
        std::size_t index = 0;
        WorkItem item;
        Measurement measurement;
        bool given_up = false;  ///< else its item is queued again
    };
    static bool set(std::atomic<bool> const* flag) { return flag != nullptr && *flag; }
    bool stopped() const { return set(state_.options.stop); }

    void join_idle() {
        for (int const rank : pool_.idle()) join(rank);
    }

    /// Workers that have to be alike wait for each other: the lowest may be the last to offer itself.
    void join(int rank) {
        auto const& worker = pool_.workers().at(rank);
        if (auto const& alike = state_.options.alike) {
            if (!pool_.awaited().empty()) return;
            if (!state_.first) state_.first = pool_.workers().begin()->second;
            if (!alike(*state_.first, worker)) {
                if (state_.left_out.insert(rank).second)
                    notice(fmt::format("rank {} is left out: its hardware class {} differs from {}, the first rank's",
                                       rank, worker.hardware_class, state_.first->hardware_class));
                return;
            }
        }
        scheduler_.join(rank, worker);
    }

    void deal() {
        if (callbacks_.go_on && scheduler_.queued() > 0 && !callbacks_.go_on())
            for (auto& item : scheduler_.take_queued()) outcome_.missing.push_back(std::move(item));
        auto const idle = pool_.idle();
        for (int const rank : idle) {
            if (auto const* item = scheduler_.deal(rank, pool_.now_s())) send(rank, *item);
        }
    }

    void send(int rank, WorkItem const& item) {
        auto const why = pool_.deal(rank, item, scheduler_.leases().at(rank).deadline_s);
        if (why) lost(rank, *why);
    }

    double next_look_s() const {
        double next_s = scheduler_.next_deadline_s();
        if (!pool_.awaited().empty()) next_s = std::min(next_s, state_.options.hello_timeout_s);
        if (!losses_.empty()) next_s = std::min(next_s, losses_.front().counts_s);
        if (state_.options.stop != nullptr) next_s = std::min(next_s, pool_.now_s() + look_at_stop_s);
        return std::clamp(next_s - pool_.now_s(), 0.0, 60.0);
    }

    /// Waits for the next event, and handles those that have come meanwhile, or the end of a deadline.
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
            if (loss.given_up && !loss.item.calls.empty())
                report_block(loss.index, loss.item, std::vector(loss.item.calls.size(), loss.measurement));
            else if (loss.given_up)
                report(loss.item, loss.measurement);
            else if (callbacks_.lost)
                callbacks_.lost(loss.measurement);
        }
    }

    void on(WorkerPool::Event& event) {
        int const rank = event.rank;
        if (auto const* loss = std::get_if<WorkerPool::Lost>(&event.what)) return lost(rank, loss->why);
        if (std::holds_alternative<NotMade>(event.what)) {
            if (!stopped()) notice(fmt::format("rank {} was told to end: it gets no more attempts", rank));
            return scheduler_.leave(rank);
        }
        if (auto* result = std::get_if<Result>(&event.what)) {
            auto const attempt_id = result->measurement.attempt_id;
            if (!ended(rank, std::move(result->measurement), rank))
                notice(fmt::format("rank {} reported attempt {} too late: not counted", rank, attempt_id));
        } else if (auto const* trouble = std::get_if<Trouble>(&event.what)) {
            hand_over();
            throw SystemError(fmt::format("rank {}: {}", rank, trouble->reason));
        } else if (auto const* unreadable = std::get_if<Unreadable>(&event.what)) {
            notice(fmt::format("rank {}: {}", rank, unreadable->reason));
            auto const lease = scheduler_.leases().find(rank);
            if (lease == scheduler_.leases().end()) return;
            auto const& item = scheduler_.item(lease->second);
            ended(rank, verdict(item, Status::error, fmt::format("rank {}: {}", rank, unreadable->reason)));
        }
    }

    /// Takes the result of the rank's attempt; in a block, the rank gets the next call. False where it does
    /// not hold it. `reporter`: as of report().
    bool ended(int rank, Measurement measurement, int reporter = -1) {
        auto const* next = stopped() ? nullptr : scheduler_.next_call(rank, measurement, pool_.now_s());
        if (next != nullptr) {
            send(rank, *next);
            return true;
        }
        auto const found = scheduler_.leases().find(rank);
        if (found == scheduler_.leases().end()) return false;
        auto lease = found->second;
        auto const* item = scheduler_.finish(rank, measurement.attempt_id);
        if (item == nullptr) return false;
        if (item->calls.empty()) {
            report(*item, std::move(measurement), reporter);
        } else {
            lease.made.push_back(std::move(measurement));
            report_block(lease.item, *item, lease.made);
        }
        return true;
    }

    void silent(int rank, std::string const& why) {
        pool_.mark_silent(rank);
        lost(rank, fmt::format("rank {} {}", rank, why));
    }

    void lost(int rank, std::string const& why) {
        notice(why);
        if (stopped()) return scheduler_.leave(rank);  // it may have died of the same signal
        join_idle();                                   // a rank that has just offered itself can take the item
        auto const loss = scheduler_.lose(rank, !pool_.awaited().empty());
        if (loss.item == nullptr) return;
        bool const given_up = loss.fate == Scheduler::Fate::given_up;
        losses_.push_back({pool_.now_s() + state_.options.loss_delay_s, loss.index, *loss.item,
                           verdict(*loss.item, Status::node_lost, why), given_up});
        if (!given_up)
            notice(fmt::format("cell {}{}", loss.item->cell.id,
                               loss.item->calls.empty() ? " is queued again" : ": its block is measured anew"));
    }

    /// Items that no rank can run: skipped where none ever could, missing where those that could are gone.
    void settle_unserved() {
        auto const& offered = pool_.offered();
        for (auto& item : scheduler_.take_unserved()) {
            auto const& backend = item.cell.backend;
            if (!pool_.complete() || !item.calls.empty() || offered.contains(backend)) {
                outcome_.missing.push_back(std::move(item));
                continue;
            }
            item.attempt_id = new_attempt_id();
            report(item, verdict(item, Status::skipped,
                                 fmt::format("no rank offers backend '{}'; offered: {}", backend,
                                             offered.empty() ? "none" : fmt::format("{}", fmt::join(offered, ", ")))));
        }
    }

    /// After a stop: waits for attempts under way as long as the grace lasts, then cancels them.
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
        tally_.count(item, measurement.status);
        if (rank >= 0) reporters_.emplace_back(rank, measurement.attempt_id);
        reported_.push_back(std::move(measurement));
    }

    /// A block counts as its first attempt that is not ok.
    void report_block(std::size_t index, WorkItem const& item, std::vector<Measurement> const& made) {
        auto const worst = std::ranges::find_if(made, [](auto const& one) { return one.status != Status::ok; });
        bool const is_whole = made.size() == item.calls.size();
        if (!is_whole || (draining_ && worst != made.end() && !stands(worst->status))) {
            outcome_.missing.push_back(item);
            return;
        }
        tally_.count(item, worst == made.end() ? Status::ok : worst->status);
        callbacks_.block(index, made);
        tell_progress();
    }

    void hand_over() {
        if (reported_.empty()) return;
        callbacks_.results(std::exchange(reported_, {}));
        for (auto const& [rank, attempt_id] : std::exchange(reporters_, {})) pool_.note_stored(rank, attempt_id);
        tell_progress();
    }

    void tell_progress() const {
        if (callbacks_.progress)
            callbacks_.progress(tally_.progress(scheduler_.leases().size(), pool_.now_s() - started_s_));
    }

    void notice(std::string const& text) const {
        if (callbacks_.notice) callbacks_.notice(text);
    }

    State& state_;
    WorkerPool& pool_;
    Callbacks const& callbacks_;
    Tally tally_;
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

std::size_t Coordinator::nodes() const {
    std::set<std::string> nodes;
    for (auto const& [rank, worker] : state_->pool.workers())
        if (!state_->left_out.contains(rank)) nodes.insert(worker.node);
    return nodes.size();
}

std::vector<int> Coordinator::dismiss() {
    auto& state = *state_;
    state.dismissed = true;
    double const patience_s = state.pool.awaited().empty() ? goodbye_s : state.options.hello_timeout_s;
    double const latest_s = state.interrupted ? state.pool.now_s() + cancel_s : never;
    return state.pool.dismiss(patience_s, latest_s);
}

Coordinator::~Coordinator() {
    auto& state = *state_;
    if (state.dismissed) return;
    try {
        auto const silent = dismiss();
        if (silent.empty()) return;
        auto const who = state.sole
                             ? std::string("the attempt under way does not end: it is left behind")
                             : fmt::format("no answer from rank {}: every rank is ended", fmt::join(silent, ", "));
        // No handler gets the exception that is being thrown, because the process ends here: its message is printed now.
        auto const last_words = fmt::format("kvstone: {}{}{}\n", who, state.failure.empty() ? "" : "; ", state.failure);
        std::fputs(last_words.c_str(), stderr);
        state.transport.abort(state.interrupted ? 130 : 4);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "kvstone: while the ranks were dismissed: %s\n", error.what());
    }
}

}  // namespace kvstone
