#include "harness/gates/gate_ranks.hpp"

#include <algorithm>

#include "results/store/hardware_class.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr double joining_s = 60;

bool on_like_hardware(WorkerInfo const& first, WorkerInfo const& worker) {
    return worker.hardware_class == first.hardware_class || same_hardware(worker.host, first.host);
}

}  // namespace

GateRanks::GateRanks(Transport& world, Notice notice, std::atomic<bool> const* stop)
    : notice_(std::move(notice)),
      // No grace: a block that is cut short is worth nothing, however many of its attempts were made.
      coordinator_(world, {}, {},
                   {.stop = stop, .grace_s = 0, .hello_timeout_s = joining_s, .alike = on_like_hardware}) {}

GateRanks::~GateRanks() {
    try {
        coordinator_.dismiss();
    } catch (std::exception const&) {
        // Whoever does not hear it is ended by the launcher.
    }
}

std::size_t GateRanks::count() const {
    if (nodes_ == 0) throw SystemError("no node is left to measure on");
    return nodes_;
}

void GateRanks::measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                        std::function<bool()> const& go_on) {
    std::vector<WorkItem> items;
    for (auto const& block : blocks) {
        auto& item = items.emplace_back();
        item.cell = *block.cell;
        for (std::size_t position = 0; position < block.order.size(); ++position) {
            auto const call = call_of(block, position);
            item.calls.push_back(to_json(call));
            item.measure.timeout_s = call.timeout_s;
        }
    }
    bool goes_on = true;
    auto const outcome = coordinator_.run(
        std::move(items),
        {.results = {},
         .notice = notice_,
         .block = [&](std::size_t block, std::vector<Measurement> const& made) { done(blocks[block], made); },
         .go_on = [&] { return goes_on = goes_on && go_on(); }});
    // Ranks that were interrupted get no more attempts, and are no loss.
    nodes_ = outcome.interrupted ? std::max<std::size_t>(nodes_, 1) : coordinator_.nodes();
    if (goes_on && !outcome.missing.empty()) count();
}

}  // namespace kvstone
