#include "harness/workloads/roundtrip/channel_rms.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// 0 where the median is zero.
template <class T>
double head_ratio(T const* values, std::uint64_t tokens, std::uint64_t dim) {
    std::vector<double> squares(dim);
    for (std::uint64_t token = 0; token < tokens; ++token, values += dim)
        for (std::uint64_t channel = 0; channel < dim; ++channel) {
            double const value = static_cast<double>(to_float(values[channel]));
            squares[channel] += std::isfinite(value) ? value * value : 0;
        }
    for (auto& square : squares) square = std::sqrt(square / static_cast<double>(tokens));
    double const middle = median(squares);
    return middle > 0 ? *std::ranges::max_element(squares) / middle : 0;
}

template <class T>
double largest_ratio(KvShape const& shape, T const* values) {
    std::vector<double> ratios(shape.layers * shape.heads);
    using Space = Kokkos::DefaultHostExecutionSpace;
    Kokkos::parallel_for(
        Kokkos::RangePolicy<Space>(0, static_cast<std::int64_t>(ratios.size())), [&](std::int64_t index) {
            auto const head = static_cast<std::uint64_t>(index);
            ratios[head] = head_ratio(values + head * shape.tokens * shape.dim, shape.tokens, shape.dim);
        });
    Space().fence();
    return *std::ranges::max_element(ratios);
}

}  // namespace

std::optional<double> channel_rms_max_over_median(HostTensor const& tensor) {
    if (tensor.shape.values() == 0) return std::nullopt;
    auto* const bytes = const_cast<std::byte*>(tensor.bytes.get());
    double const ratio = with_elements({bytes, tensor.type, tensor.shape, KvStrides::packed(tensor.shape)},
                                       [&](auto span) { return largest_ratio(tensor.shape, span.data); });
    return ratio > 0 ? std::optional(ratio) : std::nullopt;
}

}  // namespace kvstone
