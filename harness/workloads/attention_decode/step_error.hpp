#pragma once
// Errors of an attention step against its definition in double precision.

#include <cstdint>
#include <vector>

#include "backends/kv_view.hpp"

namespace kvstone {

/// K and V of one sequence, and the queries of a step: all [layer, KV head, token or row, dim] without gaps.
struct StepReference {
    KvShape k_shape;
    KvShape v_shape;
    float const* k = nullptr;
    float const* v = nullptr;
    float const* queries = nullptr;
    std::uint64_t rows = 0;
    double scale = 1;

    /// o = sum p(t) v(t) with p the softmax of scale q.k, [layer][KV head][row][dim of V].
    std::vector<double> outputs() const;
};

/// The largest |o' - o| / |o| of `dim` outputs side by side; |o'| where o is zero. Infinite where one is NaN and the other
/// is not; where both are, the value is left out.
double largest_error(std::vector<double> const& outputs, float const* found, std::uint64_t dim);

}  // namespace kvstone
