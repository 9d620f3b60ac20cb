#include "cluster/worker_pool.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kvstone {
namespace {

double steady_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

WorkerPool::WorkerPool(Transport& transport) : transport_(transport), started_s_(steady_s()) {
    for (int rank = 0; rank < transport.size(); ++rank) {
        if (rank != transport.rank()) awaited_.insert(rank);
    }
}

double WorkerPool::now_s() const { return steady_s() - started_s_; }

void WorkerPool::lose(int rank) {
    if (awaited_.erase(rank) > 0) complete_ = false;
    workers_.erase(rank);
    std::erase(idle_, rank);
    busy_.erase(rank);
    gone_.insert(rank);
}

void WorkerPool::mark_silent(int rank) {
    if (awaited_.erase(rank) > 0) complete_ = false;
    workers_.erase(rank);
    busy_.erase(rank);
}

std::optional<WorkerPool::Event> WorkerPool::wait(double timeout_s) {
    try {
        auto const message = transport_.receive(timeout_s);
        if (!message || gone_.contains(message->from)) return std::nullopt;
        return understand(*message);
    } catch (RankLost const& loss) {
        if (gone_.contains(loss.rank())) return std::nullopt;
        lose(loss.rank());
        return Event{loss.rank(), Lost{loss.what()}};
    }
}

std::optional<WorkerPool::Event> WorkerPool::understand(Message const& message) {
    int const rank = message.from;
    Event event{rank, Joined{}};
    try {
        auto content = decode_message(message.body);
        if (auto* hello = std::get_if<Hello>(&content)) {
            offered_.insert(hello->worker.backends.begin(), hello->worker.backends.end());
            known_[rank] = std::move(hello->worker);
        } else if (auto* result = std::get_if<Result>(&content)) {
            event.what = std::move(*result);
        } else if (auto* not_made = std::get_if<NotMade>(&content)) {
            workers_.erase(rank);
            std::erase(idle_, rank);
            busy_.erase(rank);
            return Event{rank, std::move(*not_made)};
        } else if (auto* unreadable = std::get_if<Unreadable>(&content)) {
            event.what = std::move(*unreadable);
        } else if (auto* trouble = std::get_if<Trouble>(&content)) {
            return Event{rank, std::move(*trouble)};
        } else if (std::holds_alternative<Goodbye>(content)) {
            lose(rank);
            return Event{rank, Lost{"said goodbye"}};
        } else {
            event.what = Unreadable{"not for rank 0: " + message.body.substr(0, 80)};
        }
    } catch (CorruptData const& error) {
        event.what = Unreadable{error.what()};
    }
    auto const known = known_.find(rank);
    if (known == known_.end()) {
        // Its first words were no offer that this program understands: there is nothing to deal it.
        lose(rank);
        auto const* unreadable = std::get_if<Unreadable>(&event.what);
        return Event{rank, Lost{unreadable ? unreadable->reason : "a result without an offer"}};
    }
    awaited_.erase(rank);
    workers_.insert(*known);
    busy_.erase(rank);
    if (std::find(idle_.begin(), idle_.end(), rank) == idle_.end()) idle_.push_back(rank);
    return event;
}

std::optional<std::string> WorkerPool::deal(int rank, WorkItem const& item, double deadline_s) {
    std::erase(idle_, rank);
    try {
        transport_.send(rank, encode_message(Deal{item, std::exchange(stored_[rank], {})}));
        busy_[rank] = deadline_s;
        return std::nullopt;
    } catch (RankLost const& loss) {
        lose(rank);
        return loss.what();
    }
}

void WorkerPool::cancel() {
    for (auto const& [rank, deadline_s] : std::map(busy_)) {
        try {
            transport_.send(rank, encode_message(Cancel{}));
        } catch (RankLost const&) {
            // Whoever waits for it hears of the loss from wait().
        }
    }
}

std::vector<int> WorkerPool::dismiss(double patience_s, double latest_s) {
    double const patient_until_s = now_s() + patience_s;
    std::map<int, double> expected;  // deadline by rank
    for (int rank = 0; rank < transport_.size(); ++rank) {
        if (rank == transport_.rank() || gone_.contains(rank)) continue;
        auto const busy = busy_.find(rank);
        double const until_s = std::max(patient_until_s, busy == busy_.end() ? 0 : busy->second);
        try {
            transport_.send(rank, encode_message(Stop{std::exchange(stored_[rank], {})}));
            expected[rank] = std::min(until_s, latest_s);
        } catch (RankLost const&) {
            lose(rank);
        }
    }
    auto const missed = [&] {
        std::vector<int> silent;
        for (auto const& [rank, until_s] : expected) {
            if (until_s <= now_s()) silent.push_back(rank);
        }
        return silent;
    };
    while (!expected.empty() && missed().empty()) {
        wait(0.2);
        std::erase_if(expected, [&](auto const& entry) { return gone_.contains(entry.first); });
    }
    return missed();
}

}  // namespace kvstone
