#pragma once
// Which components share a group, and how many bits they get, so that the least is lost within a budget.

#include <cstdint>
#include <functional>
#include <vector>

namespace kvstone {

/// A way to code a group: `bits` for each of its components, and `group_bits` once.
struct AllocationType {
    std::uint64_t bits = 0;
    std::uint64_t group_bits = 0;
};

/// One group of consecutive components.
struct AllocatedGroup {
    std::uint32_t first = 0;
    std::uint32_t size = 0;
    std::uint32_t type = 0;
    bool operator==(AllocatedGroup const&) const = default;
};

/// Dynamic programming over components and bits: E[i, B] = min over sizes g and types of E[i - g, B - cost] + loss (KVTC,
/// 2025). Keeps its memory: another call of no larger a size allocates nothing.
class BitAllocator {
  public:
    /// What a group loses; asked once for each that may be.
    using Loss = std::function<double(std::uint64_t first, std::uint64_t size, std::size_t type)>;

    /// The cover of components [0, count) by groups that loses least at a cost of at most `budget` bits; of equal ones that
    /// which costs least. A group has one of `sizes` (ascending); the last one may be shorter, and sizes above 1 start at
    /// multiples of `step`. Empty where nothing fits: some type ought to cost nothing. Takes count x budget x sizes x types
    /// steps.
    std::vector<AllocatedGroup> const& allocate(std::uint64_t count, std::uint64_t budget,
                                                std::vector<std::uint64_t> const& sizes, std::uint64_t step,
                                                std::vector<AllocationType> const& types, Loss const& loss);

  private:
    /// How a state (components covered, bits spent) is reached best.
    struct Step {
        double loss;
        std::uint32_t size;
        std::uint32_t type;
    };

    std::vector<Step> states_;
    std::vector<AllocatedGroup> groups_;
};

}  // namespace kvstone
