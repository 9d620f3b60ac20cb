#include "cluster/tally.hpp"

namespace kvstone {
namespace {

/// Items without an estimate count alike.
double weight_of(WorkItem const& item) { return item.estimated_s > 0 ? item.estimated_s : 1; }

}  // namespace

Tally::Tally(std::vector<WorkItem> const& items) : total_(items.size()) {
    for (auto const& item : items) left_estimated_s_ += weight_of(item);
}

void Tally::count(WorkItem const& item, Status status) {
    left_estimated_s_ -= weight_of(item);
    if (status != Status::skipped) done_estimated_s_ += weight_of(item);
    if (status == Status::ok) {
        ++ok_;
    } else if (status == Status::skipped) {
        ++skipped_;
    } else {
        ++failed_;
    }
}

Progress Tally::progress(std::size_t running, double elapsed_s) const {
    Progress now;
    now.total = total_;
    now.failed = failed_;
    now.skipped = skipped_;
    now.done = ok_ + failed_ + skipped_;
    now.running = running;
    now.elapsed_s = elapsed_s;
    // Longest first: by number of items the first ones would say far too much.
    if (done_estimated_s_ > 0) now.left_s = now.done == total_ ? 0 : elapsed_s * left_estimated_s_ / done_estimated_s_;
    return now;
}

void Tally::tell(Outcome& outcome) const {
    outcome.ok = ok_;
    outcome.failed = failed_;
    outcome.skipped = skipped_;
}

}  // namespace kvstone
