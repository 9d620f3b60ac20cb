#pragma once
// Progress through a list of items.

#include <vector>

#include "cluster/dispatcher.hpp"

namespace kvstone {

/// Counts items as they are reported, and estimates how long the others will take.
class Tally {
  public:
    explicit Tally(std::vector<WorkItem> const& items);
    void count(WorkItem const& item, Status status);
    Progress progress(std::size_t running, double elapsed_s) const;
    /// Writes the counts into the outcome.
    void tell(Outcome& outcome) const;

  private:
    std::size_t total_;
    std::size_t ok_ = 0, failed_ = 0, skipped_ = 0;
    double left_estimated_s_ = 0;  ///< of items not reported
    double done_estimated_s_ = 0;  ///< of measured items
};

}  // namespace kvstone
