#pragma once
// What a person wants to see after a run.

#include <iosfwd>
#include <string>

#include "results/store.hpp"

namespace kvstone {

struct ShowOptions {
    bool colour = false;
    std::string campaign = {};  ///< its id or the first digits of it; empty: the one last run
};

/// The campaign's circumstances and coverage, a table of its codecs for each workload, source and context in plan
/// order, what failed with its reason, which targets each codec misses, and our figures beside published ones. At most 120 columns wide, names of codecs
/// aside. Throws ConfigError where no campaign, or more than one, is meant.
void show_summary(Store const& store, std::ostream& out, ShowOptions const& options = {});

}  // namespace kvstone
