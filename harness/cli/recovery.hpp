#pragma once
// What an earlier run measured and could not store any more.

#include <functional>
#include <string>
#include <vector>

#include "cluster/spool.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Stores the results in the spools that dead workers left in the folder, and removes those that are in the database in full.
/// A file that this build does not understand in full is set aside under a name that says why, and looked at again by every
/// run; those of campaigns that this database does not have stay where they are. `notice` is told of each. Returns the
/// attempts that were under way when their run died as a whole: they count as no loss.
std::vector<SpooledAttempt> recover_spools(Store& store, std::string const& folder, Locking locking,
                                           std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
