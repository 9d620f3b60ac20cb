#pragma once
// What an earlier run measured and could not store any more.

#include <functional>
#include <string>

#include "results/store.hpp"

namespace kvstone {

/// Stores what is in the spools that dead workers left in the folder, and removes them. Those of campaigns that this
/// database does not have stay where they are. `notice` is told of each.
void recover_spools(Store& store, std::string const& folder, std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
