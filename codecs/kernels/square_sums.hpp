#pragma once
// Sums of squares in double precision: the same whatever the number of threads, and without overflow.

#include <array>
#include <cstdint>
#include <type_traits>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/vector_blocks.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/pages/level_pages.hpp"

namespace kvstone {

/// Sum of left[i] * right[i] over the finite left[i], in double and in a fixed order. Products of floats are exact.
template <class T, class U>
KOKKOS_INLINE_FUNCTION double product_sum(T const* left, U const* right, std::uint64_t count) {
    constexpr std::uint64_t lanes = 32;
    double sums[lanes] = {};
    double sum = 0;
    std::uint64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            sums[lane] +=
                static_cast<double>(to_float(left[i + lane])) * static_cast<double>(to_float(right[i + lane]));
        }
    }
    for (; i < count; ++i) sum += static_cast<double>(to_float(left[i])) * static_cast<double>(to_float(right[i]));
    for (std::uint64_t step = lanes / 2; step > 0; step /= 2) {
        for (std::uint64_t lane = 0; lane < step; ++lane) sums[lane] += sums[lane + step];
    }
    sum += sums[0];
    if (sum - sum == 0) return sum;
    // Sums of finite values stay finite: some value is not.
    sum = 0;
    for (i = 0; i < count; ++i) {
        auto const value = static_cast<double>(to_float(left[i]));
        auto const product = value * static_cast<double>(to_float(right[i]));
        sum += value - value == 0 ? product : 0;
    }
    return sum;
}

template <class T>
KOKKOS_INLINE_FUNCTION double square_sum(T const* values, std::uint64_t count) {
    return product_sum(values, values, count);
}

/// The sum of squares of a whole tensor: of short blocks of vectors, and then of these in their order.
class SquareSum {
  public:
    static std::size_t workspace_bytes(KvShape const& shape) {
        return (static_cast<std::size_t>(blocks_of(shape).count()) + shares) * sizeof(double);
    }

    template <class Space, class T>
    static double find(Space const& space, KvSpan<T const> values, std::byte* workspace) {
        auto const blocks = blocks_of(values.shape);
        auto const count = blocks.count();
        auto const dim = values.shape.dim;
        auto* const of_shares = reinterpret_cast<double*>(workspace);
        auto* const of_blocks = of_shares + shares;
        auto const of_block = KOKKOS_LAMBDA(std::int64_t const index) {
            auto const block = blocks.block(index);
            double sum = 0;
            for (auto token = block.token; token < block.token + block.tokens; ++token) {
                sum += vector_sum<Space>(values.vector(block.layer, block.head, token), dim);
            }
            of_blocks[index] = sum;
        };
        if constexpr (runs_on_host<Space>) {
            host_for(space, "square_sums", count, of_block);
        } else {
            Kokkos::parallel_for("square_sums", Kokkos::RangePolicy<Space>(space, 0, count), of_block);
        }
        Kokkos::parallel_for(
            "square_sums_merge", Kokkos::RangePolicy<Space>(space, 0, shares), KOKKOS_LAMBDA(std::int64_t const share) {
                double sum = 0;
                for (auto i = count * share / shares; i < count * (share + 1) / shares; ++i) sum += of_blocks[i];
                of_shares[share] = sum;
            });
        space.fence();
        std::array<double, shares> sums;
        copy_to_host(backend_of<Space>, reinterpret_cast<std::byte*>(sums.data()),
                     reinterpret_cast<std::byte const*>(of_shares), sizeof(sums));
        double sum = 0;
        for (auto const part : sums) sum += part;
        return sum;
    }

    /// square_sum(), by vectors on the host.
    template <class Space, class T>
    KOKKOS_INLINE_FUNCTION static double vector_sum(T const* values, std::uint64_t count) {
        if constexpr (runs_on_host<Space> && std::is_same_v<T, float>) {
            double sum = 0;
            row_square_sums({values, count, 1, count, count}, &sum);
            if (sum - sum == 0) return sum;
        }
        return square_sum(values, count);
    }

  private:
    static constexpr std::int64_t shares = 64;
    /// Independent of how the tensor lies in memory, as runs are not.
    static VectorBlocks blocks_of(KvShape const& shape) {
        constexpr std::uint64_t values = 2048;
        return {shape, shape.dim >= values ? 1 : values / shape.dim};
    }
};

}  // namespace kvstone
