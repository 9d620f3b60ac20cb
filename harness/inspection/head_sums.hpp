#pragma once
// Sums over the values of one head of one layer, taken in one pass.

#include <cstdint>
#include <limits>
#include <vector>

#include "backends/host_tensor.hpp"

namespace kvstone {

struct HeadSums {
    double least = std::numeric_limits<double>::infinity();
    double most = -std::numeric_limits<double>::infinity();
    double sum = 0;
    double squares = 0;
    std::uint64_t zeros = 0;
    bool exact_in_f16 = true;
    bool exact_in_bf16 = true;
    std::uint32_t bits = 0;  ///< bits that are set in any value
    std::vector<double> channel_sums;
    std::vector<double> channel_squares;
    std::vector<double> token_squares;
    std::uint64_t duplicate_rows = 0;
};

/// `group`: layer * heads + head.
HeadSums sum_head(HostTensor const& tensor, std::uint64_t group);

/// Number of vectors of a head with the same bytes as an earlier token's.
std::uint64_t duplicate_rows(HostTensor const& tensor, std::uint64_t group);

}  // namespace kvstone
