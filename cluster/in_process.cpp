#include "cluster/in_process.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstone {

struct InProcessWorld::State {
    struct Box {
        std::condition_variable arrived;
        std::deque<Message> messages;
        std::deque<int> losses;           ///< lost peers this rank has not been told of
        std::optional<std::string> lost;  ///< why this rank is gone
    };

    State(int size, std::function<void(int)> abort_handler)
        : boxes(static_cast<std::size_t>(size)), on_abort(std::move(abort_handler)) {}
    Box& box(int rank) { return boxes.at(static_cast<std::size_t>(rank)); }

    std::mutex mutex;  ///< over all boxes
    std::vector<Box> boxes;
    std::function<void(int)> on_abort;
};

class InProcessWorld::Rank : public Transport {
  public:
    Rank(State& state, int rank) : state_(state), rank_(rank) {}

    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(state_.boxes.size()); }

    void send(int to, std::string const& body) override {
        std::lock_guard const lock(state_.mutex);
        must_live();
        auto& box = state_.box(to);
        if (box.lost) throw RankLost(to, *box.lost);
        box.messages.push_back({rank_, body});
        box.arrived.notify_one();
    }

    std::optional<Message> receive(double timeout_s) override {
        std::unique_lock lock(state_.mutex);
        auto& box = state_.box(rank_);
        box.arrived.wait_for(lock, std::chrono::duration<double>(timeout_s),
                             [&] { return box.lost || !box.messages.empty() || !box.losses.empty(); });
        must_live();
        if (!box.messages.empty()) {
            auto message = std::move(box.messages.front());
            box.messages.pop_front();
            return message;
        }
        if (!box.losses.empty()) {
            int const lost = box.losses.front();
            box.losses.pop_front();
            throw RankLost(lost, *state_.box(lost).lost);
        }
        return std::nullopt;
    }

    void abort(int exit_code) override {
        if (state_.on_abort) return state_.on_abort(exit_code);
        std::fflush(nullptr);
        std::_Exit(exit_code);
    }

  private:
    void must_live() const {
        auto const& lost = state_.box(rank_).lost;
        if (lost) throw SystemError("this rank has left: " + *lost);
    }

    State& state_;
    int rank_;
};

InProcessWorld::InProcessWorld(int size, std::function<void(int)> on_abort)
    : state_(std::make_unique<State>(size, std::move(on_abort))) {}
InProcessWorld::~InProcessWorld() = default;

std::unique_ptr<Transport> InProcessWorld::transport(int rank) { return std::make_unique<Rank>(*state_, rank); }

void InProcessWorld::lose(int rank, std::string const& why) {
    std::lock_guard const lock(state_->mutex);
    if (state_->box(rank).lost) return;
    state_->box(rank).lost = why;
    for (int peer = 0; peer < static_cast<int>(state_->boxes.size()); ++peer) {
        if (peer != rank) state_->box(peer).losses.push_back(rank);
        state_->box(peer).arrived.notify_all();
    }
}

}  // namespace kvstone
