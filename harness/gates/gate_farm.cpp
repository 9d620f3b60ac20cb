#include "harness/gates/gate_farm.hpp"

#include <set>

#include <fmt/format.h>

#include "results/store/hardware_class.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr double joining_s = 60;
constexpr double poll_s = 0.2;
constexpr double answer_slack_s = 60;  ///< beyond the time limit of the attempt itself
constexpr double goodbye_s = 10;

}  // namespace

GateFarm::GateFarm(Transport& world, Notice notice) : pool_(world), notice_(std::move(notice)) {
    while (!pool_.awaited().empty() && pool_.now_s() < joining_s) pool_.wait(poll_s);
    if (!pool_.workers().empty()) first_ = pool_.workers().begin()->second;
    for (auto const& [rank, worker] : pool_.workers())
        if (!usable(worker))
            notice_(fmt::format("rank {} is left out: its hardware {} is not the others' {}", rank,
                                worker.hardware_class, first_.hardware_class));
}

GateFarm::~GateFarm() {
    try {
        pool_.dismiss(goodbye_s, pool_.now_s() + goodbye_s);
    } catch (std::exception const&) {
        // Whoever does not hear it is ended by the launcher.
    }
}

bool GateFarm::usable(WorkerInfo const& worker) const {
    return worker.hardware_class == first_.hardware_class || same_hardware(worker.host, first_.host);
}

std::size_t GateFarm::count() const {
    std::set<std::string> nodes;
    for (auto const& [rank, worker] : pool_.workers())
        if (usable(worker)) nodes.insert(worker.node);
    if (nodes.empty()) throw SystemError("no node is left to measure on");
    return nodes.size();
}

void GateFarm::measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                       std::function<bool()> const& go_on) {
    for (auto const& block : blocks) open_.push_back(&block);
    while (true) {
        if (!go_on()) open_.clear();
        begin(call_of);
        if (held_.empty() && open_.empty()) return;
        if (held_.empty()) count();  // throws where nobody is left
        if (auto const event = pool_.wait(poll_s)) answer(*event, call_of, done);
        std::vector<int> late;
        for (auto const& [rank, held] : held_)
            if (held.deadline_s < pool_.now_s()) late.push_back(rank);
        for (int const rank : late) {
            pool_.mark_silent(rank);
            give_up(rank, "is silent");
        }
    }
}

void GateFarm::begin(CallOf const& call_of) {
    std::set<std::string> taken;
    for (auto const& [rank, held] : held_) taken.insert(pool_.workers().at(rank).node);
    auto const idle = pool_.idle();  // dealing changes it
    for (int const rank : idle) {
        if (open_.empty()) return;
        auto const& worker = pool_.workers().at(rank);
        if (!usable(worker) || !taken.insert(worker.node).second) continue;
        held_[rank] = {open_.front(), {}, 0};
        open_.pop_front();
        deal(rank, call_of);
    }
}

void GateFarm::deal(int rank, CallOf const& call_of) {
    auto& held = held_.at(rank);
    auto const call = call_of(*held.block, held.measurements.size());
    held.deadline_s = pool_.now_s() + call.timeout_s + answer_slack_s;
    WorkItem item;
    item.cell = *held.block->cell;
    item.call = to_json(call);
    if (auto const why = pool_.deal(rank, item, held.deadline_s)) give_up(rank, *why);
}

void GateFarm::answer(WorkerPool::Event const& event, CallOf const& call_of, Done const& done) {
    auto const found = held_.find(event.rank);
    if (found == held_.end()) return;
    if (auto const* lost = std::get_if<WorkerPool::Lost>(&event.what)) return give_up(event.rank, lost->why);
    auto& held = found->second;
    if (auto const* result = std::get_if<Result>(&event.what)) {
        held.measurements.push_back(result->measurement);
    } else if (auto const* unreadable = std::get_if<Unreadable>(&event.what)) {
        held.measurements.emplace_back();
        held.measurements.back().status = Status::error;
        held.measurements.back().reason = unreadable->reason;
    } else {
        return;
    }
    if (held.measurements.size() < held.block->order.size()) return deal(event.rank, call_of);
    auto const whole = std::move(held);
    held_.erase(found);
    done(*whole.block, whole.measurements);
}

void GateFarm::give_up(int rank, std::string const& why) {
    notice_(fmt::format("rank {}: {}; its block is measured anew", rank, why));
    open_.push_front(held_.at(rank).block);
    held_.erase(rank);
}

}  // namespace kvstone
