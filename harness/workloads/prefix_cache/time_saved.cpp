#include "harness/workloads/prefix_cache/time_saved.hpp"

#include <algorithm>

namespace kvstone {

TimeSaved time_saved(RequestTrace const& trace, ReplayResult const& replayed, EntryCost const& cost,
                     ServingModel const& model) {
    auto const block_tokens = static_cast<double>(cost.block_tokens);
    auto const link_s = static_cast<double>(cost.stored_bytes) / model.link_bytes_per_s;
    auto const both_s = [&](double coding_s) {
        return model.overlapped ? std::max(link_s, coding_s) : link_s + coding_s;
    };
    auto const load_s_per_token = both_s(*cost.decode_s) / block_tokens;
    double all_s = 0;
    double saved_s = 0;
    TimeSaved result;
    for (std::size_t i = 0; i < trace.requests.size(); ++i) {
        auto const tokens = trace.requests[i].tokens;
        all_s += model.prefill_s(static_cast<double>(tokens));
        auto const hit = static_cast<double>(std::min(replayed.hit_tokens[i], tokens - 1));
        if (hit == 0) continue;
        auto const gain_s = model.prefill_s(hit) - (1e-6 * model.lookup_us + load_s_per_token * hit);
        if (gain_s > 0)
            saved_s += gain_s;
        else
            ++result.refused_hits;
    }
    auto const blocks_written = static_cast<double>(replayed.blocks.writes) / static_cast<double>(cost.entries);
    saved_s -= blocks_written * both_s(*cost.encode_s);
    result.percent = 100 * saved_s / all_s;
    return result;
}

}  // namespace kvstone
