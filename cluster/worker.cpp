#include "cluster/worker.hpp"

#include <chrono>
#include <csignal>
#include <deque>
#include <future>
#include <thread>
#include <utility>

#include "results/record/utc.hpp"

namespace kvstone {
namespace {

constexpr int coordinator = 0;
constexpr double wait_s = 60;  // no more than a round of the waiting loop: receive returns when a message comes
constexpr std::chrono::milliseconds look{200};  // how often a worker that measures looks for messages

Measurement measured(WorkItem const& item, WorkerInfo const& self, MeasureFunction const& measure) {
    auto const started = utc_now();
    Measurement measurement;
    try {
        measurement = measure(item);
    } catch (std::exception const& error) {
        measurement = {};
        measurement.status = Status::error;
        measurement.reason = error.what();
        measurement.started_utc = started;
        measurement.finished_utc = utc_now();
    }
    // Rank 0 knows the attempt by these, whatever the measuring function wrote.
    measurement.attempt_id = item.attempt_id;
    measurement.cell_id = item.cell.id;
    measurement.process = item.process;
    if (measurement.host.is_null()) measurement.host = self.host;
    return measurement;
}

/// A worker's side of the conversation.
class Service {
  public:
    Service(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure, WorkerOptions const& options)
        : transport_(transport), self_(self), measure_(measure), options_(options) {}

    void operator()() {
        say(Hello{self_});
        while (true) {
            auto const message = next();
            if (!message) continue;
            try {
                auto const content = decode_message(message->body);
                if (auto const* stop = std::get_if<Stop>(&content)) {
                    if (options_.spool != nullptr) options_.spool->close(stop->stored);
                    break;
                }
                if (auto const* deal = std::get_if<Deal>(&content)) {
                    if (options_.spool != nullptr) options_.spool->stored(deal->stored);
                    attempt(deal->item);
                } else if (!std::holds_alternative<Cancel>(content)) {  // it came too late
                    say(Unreadable{"not for a worker: " + message->body.substr(0, 80)});
                }
            } catch (CorruptData const& error) {
                say(Unreadable{error.what()});
            }
        }
        say(Goodbye{});
    }

  private:
    void say(ClusterMessage const& message) { transport_.send(coordinator, encode_message(message)); }
    bool stopped() const { return options_.stop != nullptr && *options_.stop; }

    std::optional<Message> receive(double timeout_s) {
        try {
            return transport_.receive(timeout_s);
        } catch (RankLost const& loss) {
            if (loss.rank() == coordinator) throw;
            return std::nullopt;  // another worker: rank 0's business
        }
    }

    std::optional<Message> next() {
        if (waiting_.empty()) return receive(wait_s);
        auto message = std::move(waiting_.front());
        waiting_.pop_front();
        return message;
    }

    void attempt(WorkItem const& item) {
        if (stopped() || cancelled_) return say(NotMade{item.attempt_id});
        std::string trouble;  // the spool's failure
        auto const attend = [&](auto const& action) {
            if (options_.spool == nullptr || !trouble.empty()) return;
            try {
                action(*options_.spool);
            } catch (SystemError const& error) {
                trouble = error.what();
            }
        };
        attend([&](Spool& spool) { spool.begin(item, self_); });
        Result result{options_.cancel ? measured_listening(item) : measured(item, self_, measure_)};
        if (was_interrupted(result.measurement)) {
            attend([&](Spool& spool) { spool.settled(item); });
            say(NotMade{item.attempt_id});
        } else {
            attend([&](Spool& spool) { spool.result(item, result.measurement); });
            say(result);
        }
        if (!trouble.empty()) say(Trouble{trouble});
    }

    /// Measures on a thread of its own, and cancels where rank 0 or a second signal asks for it, or rank 0 is gone. Other
    /// messages wait.
    Measurement measured_listening(WorkItem const& item) {
        auto measuring = std::async(std::launch::async, [&] { return measured(item, self_, measure_); });
        try {
            while (measuring.wait_for(look) != std::future_status::ready) {
                if (options_.hurry != nullptr && *options_.hurry) cancel();
                while (auto message = receive(0)) {
                    if (message->body == encode_message(Cancel{}))
                        cancel();
                    else
                        waiting_.push_back(std::move(*message));
                }
            }
        } catch (...) {
            cancel();  // the future waits for its end
            throw;
        }
        return measuring.get();
    }

    void cancel() {
        cancelled_ = true;
        options_.cancel();
    }

    bool was_interrupted(Measurement const& measurement) const {
        if (stands(measurement.status)) return false;
        // A signal to a whole job may end the attempt before this process hears of it.
        bool const asked = measurement.signal == SIGTERM || measurement.signal == SIGINT ||
                           measurement.signal == SIGHUP || measurement.signal == SIGUSR1 ||
                           measurement.signal == SIGUSR2;
        for (int looks = 0; looks < 10 && asked && options_.stop != nullptr && !stopped(); ++looks)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return cancelled_ || stopped();
    }

    Transport& transport_;
    WorkerInfo const& self_;
    MeasureFunction const& measure_;
    WorkerOptions const& options_;
    std::deque<Message> waiting_;  ///< came while something was measured
    bool cancelled_ = false;
};

}  // namespace

void serve(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure, WorkerOptions options) {
    Service(transport, self, measure, options)();
}

}  // namespace kvstone
