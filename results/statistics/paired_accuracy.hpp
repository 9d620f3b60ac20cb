#pragma once
// A test of whether answers got worse, item by item.

#include <cstdint>

#include "results/statistics/signed_rank.hpp"

namespace kvstone {

/// Items that both sides answered.
struct PairedItems {
    std::uint64_t items = 0;
    std::uint64_t lost = 0;  ///< right before, wrong now
    std::uint64_t won = 0;   ///< wrong before, right now
};

/// One-sided p of H0 "accuracy changed by -margin or worse" by Tango's score test of paired proportions, whose nuisance
/// parameter is estimated under H0 (Tango, Statistics in Medicine 17, 1998; Nam, Biometrics 53, 1997). Small p: not
/// inferior. 1 without items. Requires 0 <= margin < 1.
double non_inferiority_p(PairedItems const& items, double margin);

/// (won - lost) / items with the interval of all differences that the two-sided score test does not reject.
Estimate accuracy_change(PairedItems const& items, double confidence = 0.95);

/// Loss of accuracy that non_inferiority_p() would find with 90% power at 5%: 2.93 standard errors of the paired
/// difference. One item is added either way, so that no change of answers does not mean no error.
double detectable_loss(PairedItems const& items);

}  // namespace kvstone
