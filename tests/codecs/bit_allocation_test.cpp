// Bits for components against cases worked by hand, and against every allocation there is.

#include "codecs/kernels/bit_allocation.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// Bits of each component by itself, and what they lose: sum of lambda 4^-bits.
struct Allocation {
    std::vector<std::uint64_t> bits;
    double loss = 0;
};

Allocation allocation_of(std::vector<double> const& lambda, std::uint64_t budget,
                         std::vector<std::uint64_t> const& choices) {
    std::vector<AllocationType> types;
    for (auto const bits : choices) types.push_back({bits, 0});
    auto const loss = [&](std::uint64_t first, std::uint64_t, std::size_t type) {
        return lambda[first] * std::pow(4.0, -static_cast<double>(choices[type]));
    };
    Allocation found;
    BitAllocator allocator;
    for (auto const& group : allocator.allocate(lambda.size(), budget, {1}, 1, types, loss)) {
        found.bits.push_back(choices[group.type]);
        found.loss += loss(group.first, 1, group.type);
    }
    return found;
}

using Bits = std::vector<std::uint64_t>;

TEST(BitAllocation, GoldenCases) {
    Bits const any{0, 1, 2, 3, 4, 5, 6, 7, 8};
    auto const check = [](Allocation const& found, Bits const& bits, double loss) {
        EXPECT_EQ(found.bits, bits);
        EXPECT_DOUBLE_EQ(found.loss, loss);
    };
    check(allocation_of({100, 10, 1, .1}, 8, any), {4, 3, 1, 0}, .896875);
    check(allocation_of({100, 10, 1, .1}, 4, any), {3, 1, 0, 0}, 5.1625);
    check(allocation_of({100, 10, 1, .1}, 16, any), {6, 5, 3, 2}, .0560546875);
    check(allocation_of({7, 5, 3, 2}, 5, any), {2, 1, 1, 1}, 2.9375);
    Bits const powers{0, 2, 4, 8};
    check(allocation_of({7, 5, 3, 2}, 5, powers), {2, 2, 0, 0}, 5.75);
    // Giving the next bits to the component that gains most would lose 43.01953.
    auto const found = allocation_of({6833, 3860, 32, 18}, 14, powers);
    EXPECT_EQ(found.bits, (Bits{8, 4, 2, 0}));
    EXPECT_NEAR(found.loss, 35.18238831, 5e-9);
}

/// The loss of the best cover of [first, count), by trying all.
double least_loss(std::uint64_t first, std::uint64_t count, std::int64_t budget,
                  std::vector<std::uint64_t> const& sizes, std::uint64_t step, std::vector<AllocationType> const& types,
                  auto const& loss) {
    if (budget < 0) return std::numeric_limits<double>::infinity();
    if (first == count) return 0;
    double least = std::numeric_limits<double>::infinity();
    for (auto const wanted : sizes) {
        if (wanted > 1 && first % step != 0) continue;
        auto const size = std::min(wanted, count - first);
        for (std::size_t type = 0; type < types.size(); ++type) {
            auto const cost = static_cast<std::int64_t>(size * types[type].bits + types[type].group_bits);
            least = std::min(least, loss(first, size, type) +
                                        least_loss(first + size, count, budget - cost, sizes, step, types, loss));
        }
    }
    return least;
}

TEST(BitAllocation, NoAllocationLosesLess) {
    std::mt19937 random(3);
    BitAllocator allocator;
    std::vector<AllocationType> const types{{0, 0}, {2, 3}, {4, 3}};
    for (int round = 0; round < 60; ++round) {
        std::uint64_t const count = 3 + random() % 5;
        std::uint64_t const budget = random() % 40;
        std::vector<double> table(count * (count + 1) * types.size());
        for (auto& entry : table) entry = static_cast<double>(random() % 1000);
        auto const loss = [&](std::uint64_t first, std::uint64_t size, std::size_t type) {
            return table[(first * (count + 1) + size) * types.size() + type];
        };
        std::uint64_t const step = round % 2 == 0 ? 2 : 1;
        auto const& groups = allocator.allocate(count, budget, {1, 2, 4}, step, types, loss);
        double lost = 0;
        std::uint64_t covered = 0;
        std::uint64_t cost = 0;
        for (auto const& group : groups) {
            EXPECT_EQ(group.first, covered);
            covered += group.size;
            cost += group.size * types[group.type].bits + types[group.type].group_bits;
            lost += loss(group.first, group.size, group.type);
        }
        EXPECT_EQ(covered, count);
        EXPECT_LE(cost, budget);
        EXPECT_EQ(lost, least_loss(0, count, static_cast<std::int64_t>(budget), {1, 2, 4}, step, types, loss)) << round;
    }
}

}  // namespace
}  // namespace kvstone
