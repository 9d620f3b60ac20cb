#include "cluster/scheduler.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <sys/random.h>

namespace kvstone {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr char const* any_backend = "";  // the backend of blocks, which every worker has

/// The capture that a node makes once for an item. Blocks capture nothing: one place keeps them in their order.
std::string place_of(WorkItem const& item) {
    return item.calls.empty() ? fmt::format("{} {}", item.cell.source.dump(), item.cell.context) : "";
}

std::string backend_of(WorkItem const& item) { return item.calls.empty() ? item.cell.backend : any_backend; }

}  // namespace

std::string new_attempt_id() {
    // One call to the kernel: std::random_device takes ten times as long, which is felt at a hundred thousand.
    std::array<std::uint64_t, 2> words{};
    if (getrandom(words.data(), sizeof words, 0) != sizeof words) throw SystemError("the kernel gives no random bytes");
    return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

Scheduler::Scheduler(std::vector<WorkItem> items, double lease_slack_s)
    : items_(std::move(items)), lease_slack_s_(lease_slack_s) {
    for (std::size_t item = 0; item < items_.size(); ++item) {
        places_.push_back(queue_.place(place_of(items_[item])));
        enqueue(item);
    }
}

void Scheduler::enqueue(std::size_t index) {
    auto const& item = items_[index];
    queue_.add(index, item.suspected ? -1 : item.estimated_s, {backend_of(item), item.measure.timing, item.pinned_host},
               places_[index]);
}

void Scheduler::count_offers(Worker const& worker, int by) {
    offers_changed_ = true;
    for (auto const& backend : worker.backends) {
        offers_[{backend, ""}] += by;
        if (!worker.host.empty()) offers_[{backend, worker.host}] += by;
    }
}

bool Scheduler::served(std::string const& backend, std::string const& host) const {
    auto const workers = offers_.find({backend, host});
    return workers != offers_.end() && workers->second > 0;
}

void Scheduler::join(int worker, WorkerInfo const& info) {
    if (workers_.contains(worker)) return;
    auto const host = info.host.is_object() ? info.host.value("name", "") : "";
    auto& joined = workers_[worker] = {info.node, host, {info.backends.begin(), info.backends.end()}};
    joined.backends.insert(any_backend);
    count_offers(joined, 1);
}

WorkItem const* Scheduler::deal(int worker, double now_s) {
    if (queue_.size() == 0) return nullptr;
    auto const at = workers_.find(worker);
    if (at == workers_.end() || leases_.contains(worker)) return nullptr;
    auto& node = nodes_[at->second.node];
    if (node.running > 0 && node.timing) return nullptr;

    std::optional<std::size_t> index;
    for (auto const& host : {at->second.host, std::string()}) {
        std::vector<Need> needs;
        for (auto const& backend : at->second.backends) {
            if (node.running == 0) needs.push_back({backend, true, host});
            needs.push_back({backend, false, host});
        }
        index = queue_.take(needs, node.places);
        if (index || host.empty()) break;
    }
    if (!index) return nullptr;
    ++node.running;
    node.timing = items_[*index].measure.timing;
    return lease(worker, *index, {}, now_s);
}

WorkItem const* Scheduler::lease(int worker, std::size_t index, std::vector<Measurement> made, double now_s) {
    auto& item = items_[index];
    item.attempt_id = new_attempt_id();
    if (!item.calls.empty()) item.call = item.calls.at(made.size());
    double const limit_s = item.measure.timeout_s;
    double const deadline_s = limit_s > 0 ? now_s + limit_s + lease_slack_s_ : never;
    if (deadline_s < never) deadlines_.emplace(deadline_s, worker);
    leases_[worker] = {index, item.attempt_id, deadline_s, std::move(made)};
    return &item;
}

WorkItem const* Scheduler::next_call(int worker, Measurement const& made, double now_s) {
    auto const at = leases_.find(worker);
    if (at == leases_.end() || at->second.attempt_id != made.attempt_id) return nullptr;
    auto& held = at->second;
    if (held.made.size() + 1 >= items_[held.item].calls.size()) return nullptr;
    deadlines_.erase({held.deadline_s, worker});
    held.made.push_back(made);
    return lease(worker, held.item, std::move(held.made), now_s);
}

void Scheduler::end_lease(std::map<int, Lease>::iterator lease, Worker const& worker) {
    auto& node = nodes_[worker.node];
    --node.running;
    if (items_[lease->second.item].measure.timing) node.timing = false;
    deadlines_.erase({lease->second.deadline_s, lease->first});
    leases_.erase(lease);
}

WorkItem const* Scheduler::finish(int worker, std::string const& attempt_id) {
    auto const lease = leases_.find(worker);
    if (lease == leases_.end() || lease->second.attempt_id != attempt_id) return nullptr;
    auto const* item = &items_[lease->second.item];
    end_lease(lease, workers_.at(worker));
    return item;
}

/// Returns the item that the worker held.
std::optional<std::size_t> Scheduler::take_out(int worker) {
    auto const at = workers_.find(worker);
    if (at == workers_.end()) return std::nullopt;
    auto const gone = at->second;
    workers_.erase(at);
    count_offers(gone, -1);
    auto const lease = leases_.find(worker);
    if (lease == leases_.end()) return std::nullopt;
    auto const index = lease->second.item;
    end_lease(lease, gone);
    return index;
}

Scheduler::Lost Scheduler::lose(int worker, bool others_may_come) {
    auto const index = take_out(worker);
    if (!index) return {};
    auto& item = items_[*index];
    bool const servable = others_may_come || served(backend_of(item));
    if (++item.losses >= losses_allowed || !servable) return {&item, Fate::given_up, *index};
    enqueue(*index);
    return {&item, Fate::requeued, *index};
}

void Scheduler::leave(int worker) {
    if (auto const index = take_out(worker)) enqueue(*index);
}

std::vector<int> Scheduler::expired(double now_s) const {
    std::vector<int> late;
    for (auto const& [deadline_s, worker] : deadlines_) {
        if (deadline_s > now_s) break;
        late.push_back(worker);
    }
    return late;
}

double Scheduler::next_deadline_s() const { return deadlines_.empty() ? never : deadlines_.begin()->first; }

std::vector<WorkItem> Scheduler::items_at(std::vector<std::size_t> indices) const {
    std::sort(indices.begin(), indices.end());
    std::vector<WorkItem> items;
    for (auto const index : indices) items.push_back(items_[index]);
    return items;
}

std::vector<WorkItem> Scheduler::take_unserved() {
    std::vector<std::size_t> unserved;
    if (!std::exchange(offers_changed_, false)) return {};
    for (auto const& need : queue_.needs()) {
        if (served(need.backend, need.host)) continue;
        bool const elsewhere = served(need.backend);
        for (auto const index : queue_.take_all(need)) {
            if (elsewhere) {
                items_[index].pinned_host.clear();
                enqueue(index);
            } else {
                unserved.push_back(index);
            }
        }
    }
    return items_at(std::move(unserved));
}

std::vector<std::size_t> Scheduler::take_queued_indices() {
    std::vector<std::size_t> queued;
    for (auto const& need : queue_.needs())
        for (auto const index : queue_.take_all(need)) queued.push_back(index);
    return queued;
}

std::vector<WorkItem> Scheduler::take_queued() { return items_at(take_queued_indices()); }

std::vector<WorkItem> Scheduler::take_rest() {
    auto rest = take_queued_indices();
    for (auto const& [worker, lease] : leases_) rest.push_back(lease.item);
    leases_.clear();
    deadlines_.clear();
    nodes_.clear();
    return items_at(std::move(rest));
}

}  // namespace kvstone
