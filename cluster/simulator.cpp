#include "cluster/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <queue>
#include <random>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "cluster/scheduler.hpp"

namespace kvstone {
namespace {

/// A node at work. Its life counts how often it came back: messages of an earlier life are void.
struct Node {
    int life = 0;
    bool up = false;
    std::string attempt_id;  ///< empty: idle
    double began_s = 0;
    double cost_s = 0;
};

struct Event {
    enum class Kind { report, free, loss, noticed, back };  // a report is a hello or a result; free is rank 0
    double at_s;
    std::size_t number;  ///< of those at one instant, the first that was foreseen
    Kind kind;
    int node;
    int life;
    bool operator>(Event const& other) const { return std::tie(at_s, number) > std::tie(other.at_s, other.number); }
};

class Run {
  public:
    Run(std::vector<WorkItem> const& items, std::vector<double> const& costs_s, SimulationOptions const& options,
        std::vector<WorkerInfo> workers)
        : options_(options),
          costs_s_(costs_s),
          workers_(std::move(workers)),
          nodes_(workers_.size()),
          chance_(options.seed + 1),
          scheduler_(items, 0) {
        for (auto const& worker : workers_) scheduler_.join(static_cast<int>(&worker - workers_.data()), worker);
        scheduler_.take_unserved();  // lets go of pins to hosts that are not here
        for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) start(node, 0);
    }

    Simulation operator()() {
        while ((scheduler_.queued() > 0 || !scheduler_.leases().empty()) && !events_.empty()) {
            auto const event = events_.top();
            events_.pop();
            bool const of_node = event.kind != Event::Kind::free;
            if (of_node && event.life != nodes_[static_cast<std::size_t>(event.node)].life) continue;
            now_s_ = event.at_s;
            switch (event.kind) {
                case Event::Kind::report:
                    waiting_.push_back(event.node);
                    if (!attending_) attend_to_all();
                    break;
                case Event::Kind::free:
                    attending_ = false;
                    if (!waiting_.empty()) attend_to_all();
                    break;
                case Event::Kind::loss:
                    lose(event.node);
                    break;
                case Event::Kind::noticed:
                    notice(event.node);
                    break;
                case Event::Kind::back:
                    come_back(event.node);
                    break;
            }
        }
        double const makespan_s = std::max(now_s_, free_s_);
        result_.nodes = static_cast<int>(nodes_.size());
        result_.missing += scheduler_.take_rest().size();
        result_.makespan_s = makespan_s;
        if (makespan_s > 0) {
            result_.efficiency = measured_s_ / (makespan_s * result_.nodes);
            result_.coordinator_load = attended_s_ / makespan_s;
            result_.attempts_per_s = static_cast<double>(dealt_) / makespan_s;
        }
        return result_;
    }

  private:
    void expect(double at_s, Event::Kind kind, int node) {
        events_.push({at_s, foreseen_++, kind, node, nodes_[static_cast<std::size_t>(node)].life});
    }

    void start(int node, double at_s) {
        nodes_[static_cast<std::size_t>(node)].up = true;
        ++present_;
        expect(at_s, Event::Kind::report, node);
        if (options_.mtbf_h > 0)
            expect(at_s + std::exponential_distribution(1 / (3600 * options_.mtbf_h))(chance_), Event::Kind::loss,
                   node);
    }

    void spend(double time_s) {
        free_s_ = std::max(free_s_, now_s_) + time_s;
        attended_s_ += time_s;
    }

    void attend_to_all() {
        bool results = false;
        for (int const number : std::exchange(waiting_, {})) {
            auto& node = nodes_[static_cast<std::size_t>(number)];
            spend(options_.attempt_s);
            if (!node.attempt_id.empty()) {
                scheduler_.finish(number, node.attempt_id);
                node.attempt_id.clear();
                measured_s_ += node.cost_s;
                ++result_.measured;
                results = true;
            }
            if (!node.up) continue;
            idle_.insert(number);
            deal(number);
        }
        if (results) spend(options_.transaction_s);
        attending_ = true;
        expect(free_s_, Event::Kind::free, 0);
    }

    void deal(int number) {
        auto const* item = scheduler_.deal(number, free_s_);
        if (item == nullptr) return;
        auto& node = nodes_[static_cast<std::size_t>(number)];
        node.attempt_id = item->attempt_id;
        node.began_s = free_s_;
        node.cost_s = costs_s_[scheduler_.leases().at(number).item];
        idle_.erase(number);
        ++dealt_;
        expect(free_s_ + node.cost_s, Event::Kind::report, number);
    }

    void lose(int number) {
        auto& node = nodes_[static_cast<std::size_t>(number)];
        ++node.life;
        node.up = false;
        if (!node.attempt_id.empty()) {
            ++result_.lost_attempts;
            result_.lost_s += std::max(0.0, now_s_ - node.began_s);
        }
        expect(now_s_ + options_.notice_s, Event::Kind::noticed, number);
        if (options_.back_min > 0)
            expect(now_s_ + options_.notice_s + 60 * options_.back_min, Event::Kind::back, number);
    }

    void notice(int number) {
        --present_;
        nodes_[static_cast<std::size_t>(number)].attempt_id.clear();
        idle_.erase(number);
        std::erase(waiting_, number);
        spend(options_.attempt_s);
        auto const lost = scheduler_.lose(number);
        // Given up for want of anybody else, it is no more to blame than the items that are still queued.
        if (lost.item != nullptr && lost.fate == Scheduler::Fate::given_up)
            ++(present_ > 0 ? result_.quarantined : result_.missing);
        if (present_ > 0) scheduler_.take_unserved();
        for (auto const idle : std::set<int>(idle_)) {
            if (scheduler_.queued() == 0) break;
            if (!nodes_[static_cast<std::size_t>(idle)].up) continue;
            spend(options_.attempt_s);
            deal(idle);
        }
    }

    void come_back(int number) {
        scheduler_.join(number, workers_[static_cast<std::size_t>(number)]);
        start(number, now_s_);
    }

    SimulationOptions const& options_;
    std::vector<double> const& costs_s_;
    std::vector<WorkerInfo> workers_;
    std::vector<Node> nodes_;
    std::mt19937_64 chance_;
    Scheduler scheduler_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::set<int> idle_;
    std::vector<int> waiting_;  ///< nodes whose report rank 0 has not read
    bool attending_ = false;
    std::size_t foreseen_ = 0;
    std::size_t dealt_ = 0;
    int present_ = 0;  ///< nodes as rank 0 knows them
    double now_s_ = 0;
    double free_s_ = 0;  ///< when rank 0 has attended to all that has come
    double attended_s_ = 0;
    double measured_s_ = 0;
    Simulation result_;
};

}  // namespace

Simulator::Simulator(std::vector<WorkItem> const& items, SimulationOptions const& options) : options_(options) {
    std::set<std::string> hosts;
    std::set<std::string> backends;
    std::mt19937_64 chance(options.seed);
    std::normal_distribution<double> normal;
    for (auto const& item : items) {
        WorkItem light;
        light.cell.backend = item.cell.backend;
        light.cell.source = item.cell.source.dump();
        light.cell.context = item.cell.context;
        light.measure.timing = item.measure.timing;
        light.measure.timeout_s = 0;
        light.estimated_s = item.estimated_s;
        light.pinned_host = item.pinned_host;
        if (!item.pinned_host.empty()) hosts.insert(item.pinned_host);
        backends.insert(item.cell.backend);
        items_.push_back(std::move(light));
        costs_s_.push_back(item.estimated_s * std::exp(options.spread * (normal(chance) - options.spread / 2)));
    }
    hosts_.assign(hosts.begin(), hosts.end());
    backends_.assign(backends.begin(), backends.end());
}

Simulation Simulator::run(int nodes) const {
    std::vector<WorkerInfo> workers;
    for (int node = 0; node < nodes; ++node) {
        auto const at = static_cast<std::size_t>(node);
        auto const name = at < hosts_.size() ? hosts_[at] : fmt::format("simulated {}", node);
        workers.push_back({fmt::format("{}", node), "", backends_, {{"name", name}}});
    }
    return Run(items_, costs_s_, options_, std::move(workers))();
}

}  // namespace kvstone
