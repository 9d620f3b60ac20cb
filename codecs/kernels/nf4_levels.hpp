#pragma once
// The levels of 4-bit NormalFloat.

#include "backends/function.hpp"

namespace kvstone {

/// The level of a code: quantiles of a normal distribution within [-1, 1] (QLoRA, appendix E).
KVSTONE_FUNCTION inline constexpr float nf4_level(unsigned code) {
    constexpr float levels[16] = {-1.0F,
                                  -.6961928009986877F,
                                  -.5250730514526367F,
                                  -.39491748809814453F,
                                  -.28444138169288635F,
                                  -.18477343022823334F,
                                  -.09105003625154495F,
                                  0.0F,
                                  .07958029955625534F,
                                  .16093020141124725F,
                                  .24611230194568634F,
                                  .33791524171829224F,
                                  .44070982933044434F,
                                  .5626170039176941F,
                                  .7229568362236023F,
                                  1.0F};
    return levels[code];
}

}  // namespace kvstone
