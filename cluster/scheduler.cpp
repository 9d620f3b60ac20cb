#include "cluster/scheduler.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace kvstone {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
/// An item whose worker was lost this often is given up: it may be what kills them.
constexpr int losses_allowed = 1;

}  // namespace

std::string new_attempt_id() {
    std::random_device entropy;
    std::string id;
    for (int word = 0; word < 4; ++word) id += fmt::format("{:08x}", entropy() & 0xffffffffu);
    return id;
}

Scheduler::Scheduler(std::vector<WorkItem> items, double lease_slack_s)
    : items_(std::move(items)), group_of_(items_.size()), lease_slack_s_(lease_slack_s) {
    std::map<std::tuple<std::string, bool, std::string, std::uint64_t>, std::size_t> known;
    for (std::size_t item = 0; item < items_.size(); ++item) {
        auto const& cell = items_[item].cell;
        bool const timing = items_[item].measure.timing;
        auto const source = cell.source.dump();
        auto const [at, is_new] = known.try_emplace({cell.backend, timing, source, cell.context}, groups_.size());
        if (is_new) groups_.push_back({cell.backend, timing, fmt::format("{} {}", source, cell.context), {}, 0});
        group_of_[item] = at->second;
        enqueue(item);
    }
}

void Scheduler::enqueue(std::size_t item) {
    groups_[group_of_[item]].queue.push_back(item);
    open_.insert(group_of_[item]);
    ++queued_;
}

void Scheduler::join(int worker, WorkerInfo const& info) {
    workers_.try_emplace(worker, Worker{info.node, {info.backends.begin(), info.backends.end()}, -1});
}

bool Scheduler::may_start(Group const& group, Worker const& worker) const {
    if (group.queue.empty() || !worker.backends.contains(group.backend)) return false;
    auto const node = nodes_.find(worker.node);
    if (node == nodes_.end() || node->second.running == 0) return true;
    return !group.timing && !node->second.timing;
}

std::ptrdiff_t Scheduler::choose_group(Worker const& worker) const {
    if (worker.group >= 0 && may_start(groups_[static_cast<std::size_t>(worker.group)], worker)) return worker.group;
    auto const node = nodes_.find(worker.node);
    std::ptrdiff_t best = -1;
    std::pair<bool, int> best_cost;
    for (auto const index : open_) {
        auto const& group = groups_[index];
        if (!may_start(group, worker)) continue;
        std::pair<bool, int> const cost = {node == nodes_.end() || node->second.source != group.source, group.holders};
        if (best >= 0 && best_cost <= cost) continue;
        best = static_cast<std::ptrdiff_t>(index);
        best_cost = cost;
    }
    return best;
}

void Scheduler::hold(Worker& worker, std::ptrdiff_t group) {
    if (worker.group == group) return;
    if (worker.group >= 0) --groups_[static_cast<std::size_t>(worker.group)].holders;
    if (group >= 0) ++groups_[static_cast<std::size_t>(group)].holders;
    worker.group = group;
}

WorkItem const* Scheduler::deal(int worker, double now_s) {
    if (queued_ == 0) return nullptr;
    auto const at = workers_.find(worker);
    if (at == workers_.end() || leases_.contains(worker)) return nullptr;
    auto const chosen = choose_group(at->second);
    if (chosen < 0) return nullptr;
    hold(at->second, chosen);

    auto& group = groups_[static_cast<std::size_t>(chosen)];
    auto const index = group.queue.front();
    group.queue.pop_front();
    if (group.queue.empty()) open_.erase(static_cast<std::size_t>(chosen));
    --queued_;

    auto& node = nodes_[at->second.node];
    ++node.running;
    node.timing = group.timing;
    node.source = group.source;

    auto& item = items_[index];
    item.attempt_id = new_attempt_id();
    double const limit_s = item.measure.timeout_s;
    leases_[worker] = {index, item.attempt_id, limit_s > 0 ? now_s + limit_s + lease_slack_s_ : never};
    return &item;
}

void Scheduler::release(Lease const& lease, Worker const& worker) {
    auto& node = nodes_[worker.node];
    --node.running;
    if (items_[lease.item].measure.timing) node.timing = false;
}

WorkItem const* Scheduler::finish(int worker, std::string const& attempt_id) {
    auto const lease = leases_.find(worker);
    if (lease == leases_.end() || lease->second.attempt_id != attempt_id) return nullptr;
    auto const* item = &items_[lease->second.item];
    release(lease->second, workers_.at(worker));
    leases_.erase(lease);
    return item;
}

Scheduler::Lost Scheduler::lose(int worker) {
    auto const at = workers_.find(worker);
    if (at == workers_.end()) return {};
    hold(at->second, -1);
    auto const gone = at->second;
    workers_.erase(at);
    auto const lease = leases_.find(worker);
    if (lease == leases_.end()) return {};

    auto const index = lease->second.item;
    release(lease->second, gone);
    leases_.erase(lease);
    if (++items_[index].losses > losses_allowed || !served(items_[index].cell.backend)) {
        return {&items_[index], Fate::given_up};
    }
    enqueue(index);
    return {&items_[index], Fate::requeued};
}

std::vector<int> Scheduler::expired(double now_s) const {
    std::vector<int> late;
    for (auto const& [worker, lease] : leases_) {
        if (lease.deadline_s <= now_s) late.push_back(worker);
    }
    return late;
}

double Scheduler::next_deadline_s() const {
    double nearest = never;
    for (auto const& [worker, lease] : leases_) nearest = std::min(nearest, lease.deadline_s);
    return nearest;
}

bool Scheduler::served(std::string const& backend) const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [&](auto const& entry) { return entry.second.backends.contains(backend); });
}

std::vector<WorkItem> Scheduler::take_unserved() {
    std::vector<std::size_t> unserved;
    for (auto at = open_.begin(); at != open_.end();) {
        auto& group = groups_[*at];
        if (served(group.backend)) {
            ++at;
            continue;
        }
        unserved.insert(unserved.end(), group.queue.begin(), group.queue.end());
        group.queue.clear();
        at = open_.erase(at);
    }
    queued_ -= unserved.size();
    std::sort(unserved.begin(), unserved.end());
    std::vector<WorkItem> taken;
    for (auto const index : unserved) taken.push_back(items_[index]);
    return taken;
}

std::vector<WorkItem> Scheduler::take_rest() {
    std::vector<std::size_t> rest;
    for (auto const& [worker, lease] : leases_) rest.push_back(lease.item);
    for (auto const index : open_) {
        rest.insert(rest.end(), groups_[index].queue.begin(), groups_[index].queue.end());
        groups_[index].queue.clear();
    }
    leases_.clear();
    open_.clear();
    nodes_.clear();
    queued_ = 0;
    std::sort(rest.begin(), rest.end());
    std::vector<WorkItem> taken;
    for (auto const index : rest) taken.push_back(items_[index]);
    return taken;
}

}  // namespace kvstone
