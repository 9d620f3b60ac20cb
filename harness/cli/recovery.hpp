#pragma once
// Measurements that an earlier run could not store.

#include <functional>
#include <string>
#include <vector>

#include "cluster/spool.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Stores the results in the spools that dead workers left in the folder, and removes the files that are completely in
/// the database. A file that this build cannot read in full is set aside under a name with the reason, and read again
/// by every run; files of campaigns that this database does not have stay. `notice` is called for each. Returns the
/// attempts that were under way when their run died as a whole: they count as no loss.
std::vector<SpooledAttempt> recover_spools(Store& store, std::string const& folder, Locking locking,
                                           std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
