#pragma once
// What inspect tells of one layer (inspect.hpp says what each member is).

#include <span>

#include "harness/inspection/head_sums.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// `heads`: the sums of the layer's heads.
Json layer_facts(std::span<HeadSums const> heads, KvShape const& shape);

}  // namespace kvstone
