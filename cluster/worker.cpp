#include "cluster/worker.hpp"

#include "results/utc.hpp"

namespace kvstone {
namespace {

constexpr int coordinator = 0;
constexpr double wait_s = 60;  // no more than a round of the waiting loop: receive returns when a message comes

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

/// An attempt between its two lines in the spool. Returns what the spool says against it, if anything.
std::string spool_around(WorkerOptions const& options, WorkItem const& item, WorkerInfo const& self,
                         std::function<Measurement()> const& attempt, Measurement& measurement) {
    std::string trouble;
    auto const attend = [&](auto const& action) {
        if (options.spool == nullptr || !trouble.empty()) return;
        try {
            action(*options.spool);
        } catch (SystemError const& error) {
            trouble = error.what();
        }
    };
    attend([&](Spool& spool) { spool.begin(item, self); });
    measurement = attempt();
    bool const interrupted = options.stop != nullptr && *options.stop && !stands(measurement.status);
    attend([&](Spool& spool) { interrupted ? spool.settled(item) : spool.result(item, measurement); });
    return trouble;
}

}  // namespace

void serve(Transport& transport, WorkerInfo const& self, MeasureFunction const& measure, WorkerOptions options) {
    auto const say = [&](ClusterMessage const& message) { transport.send(coordinator, encode_message(message)); };
    say(Hello{self});
    while (true) {
        std::optional<Message> message;
        try {
            message = transport.receive(wait_s);
        } catch (RankLost const& loss) {
            if (loss.rank() == coordinator) throw;
            continue;  // another worker: rank 0's business
        }
        if (!message) continue;
        try {
            auto const content = decode_message(message->body);
            if (auto const* stop = std::get_if<Stop>(&content)) {
                if (stop->stored && options.spool != nullptr) options.spool->remove();
                break;
            }
            if (auto const* deal = std::get_if<Deal>(&content)) {
                Result result;
                auto const trouble = spool_around(
                    options, deal->item, self, [&] { return measured(deal->item, self, measure); }, result.measurement);
                say(result);
                if (!trouble.empty()) say(Trouble{trouble});
            } else {
                say(Unreadable{"not for a worker: " + message->body.substr(0, 80)});
            }
        } catch (CorruptData const& error) {
            say(Unreadable{error.what()});
        }
    }
    say(Goodbye{});
}

}  // namespace kvstone
