#include "harness/quality/entropy.hpp"

#include <algorithm>
#include <functional>
#include <numbers>
#include <numeric>
#include <queue>
#include <vector>

#include "backends/portable_math.hpp"

namespace kvstone {

double entropy_bits(std::span<std::uint64_t const> counts) {
    auto const all = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
    double bits = 0;
    for (auto const count : counts)
        if (count > 0) bits += static_cast<double>(count) * portable::log2(all / static_cast<double>(count));
    return bits;
}

double corrected_entropy_bits(std::span<std::uint64_t const> counts) {
    auto const occurring = std::ranges::count_if(counts, [](std::uint64_t count) { return count > 0; });
    if (occurring == 0) return 0;
    return entropy_bits(counts) + static_cast<double>(occurring - 1) / (2 * std::numbers::ln2);
}

std::uint64_t huffman_bits(std::span<std::uint64_t const> counts) {
    std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> trees;
    for (auto const count : counts)
        if (count > 0) trees.push(count);
    // Every symbol below a node takes one bit there.
    std::uint64_t bits = 0;
    while (trees.size() > 1) {
        auto joined = trees.top();
        trees.pop();
        joined += trees.top();
        trees.pop();
        bits += joined;
        trees.push(joined);
    }
    return bits;
}

}  // namespace kvstone
