#include "codecs/kernels/bit_allocation.hpp"

#include <algorithm>
#include <limits>

namespace kvstone {

std::vector<AllocatedGroup> const& BitAllocator::allocate(std::uint64_t count, std::uint64_t budget,
                                                          std::vector<std::uint64_t> const& sizes, std::uint64_t step,
                                                          std::vector<AllocationType> const& types, Loss const& loss) {
    auto const width = budget + 1;
    states_.assign((count + 1) * width, {std::numeric_limits<double>::infinity(), 0, 0});
    states_[0].loss = 0;
    for (std::uint64_t first = 0; first < count; ++first) {
        auto const* const from = states_.data() + first * width;
        std::uint64_t last_size = 0;
        for (auto const wanted : sizes) {
            auto const size = std::min(wanted, count - first);
            // Sizes beyond the end are the same group.
            if ((wanted > 1 && first % step != 0) || size == last_size) continue;
            last_size = size;
            auto* const to = states_.data() + (first + size) * width;
            for (std::size_t type = 0; type < types.size(); ++type) {
                auto const cost = size * types[type].bits + types[type].group_bits;
                if (cost > budget) continue;
                auto const lost = loss(first, size, type);
                for (std::uint64_t spent = 0; spent + cost <= budget; ++spent) {
                    auto const all = from[spent].loss + lost;
                    if (all < to[spent + cost].loss)
                        to[spent + cost] = {all, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(type)};
                }
            }
        }
    }
    auto const* const ends = states_.data() + count * width;
    auto spent = static_cast<std::uint64_t>(
        std::min_element(ends, ends + width, [](Step const& a, Step const& b) { return a.loss < b.loss; }) - ends);
    groups_.clear();
    for (auto covered = count; covered > 0;) {
        auto const& state = states_[covered * width + spent];
        if (state.size == 0) {
            groups_.clear();
            break;
        }
        covered -= state.size;
        spent -= state.size * types[state.type].bits + types[state.type].group_bits;
        groups_.push_back({static_cast<std::uint32_t>(covered), state.size, state.type});
    }
    std::reverse(groups_.begin(), groups_.end());
    return groups_;
}

}  // namespace kvstone
