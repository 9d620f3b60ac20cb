#include "harness/workloads/tier/tier_replay.hpp"

namespace kvstone {

TierReplayResult replay_tiers(RequestTrace const& trace, TierRules const& rules) {
    return replay_tiers(trace, rules,
                        [](auto& tiers, auto const& blocks, std::uint64_t /*matched*/) { tiers.commit(blocks); });
}

}  // namespace kvstone
