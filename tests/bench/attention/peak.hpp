#pragma once
// How many multiply-adds in double precision the chosen vector unit does.

#include <cstdint>

namespace kvstone::bench {

/// Does `steps` multiply-adds in each of some independent chains of registers; returns how many numbers that were, all in
/// all. `result` takes what depends on all of them.
std::int64_t multiply_add_chains(std::int64_t steps, double& result);

}  // namespace kvstone::bench
