#pragma once
// Products of small matrices in double precision on the host: what attention is made of. Queries stand beside each other
// in lanes, so that one vector instruction serves several of them and a softmax needs no sums across lanes.

#include <cstdint>
#include <cstring>

#include "backends/kernels/floats.hpp"

namespace kvstone {

/// Doubles the compiler keeps together: a register of AVX-512, and several of narrower ones.
inline constexpr std::uint64_t vector_lanes = 8;
/// Rows of a product that are summed at once. Buffers have whole multiples of them.
inline constexpr std::uint64_t product_rows = 8;

inline std::uint64_t padded_rows(std::uint64_t count) {
    return (count + product_rows - 1) / product_rows * product_rows;
}

/// Memory that will soon be read: while products are computed, it is asked for at `step` bytes a step. Any address is
/// allowed, also past the end of an array.
struct Ahead {
    std::uintptr_t address = 0;
    std::uint64_t step = 0;
};

/// out[row][lane] = sum over i of left[row * row_stride + i * inner_stride] * right[i][lane], added to what `out` holds
/// where `onto`. product_rows rows of vectors * vector_lanes lanes. Each sum runs over i in order, whatever else is
/// computed beside it.
template <int vectors, bool onto>
inline void multiply_rows_plain(double const* left, std::uint64_t row_stride, std::uint64_t inner_stride,
                                double const* right, std::uint64_t inner, double* out) {
    constexpr std::uint64_t lanes = vectors * vector_lanes;
    for (std::uint64_t r = 0; r < product_rows; ++r) {
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            double sum = onto ? out[r * lanes + lane] : 0;
            for (std::uint64_t i = 0; i < inner; ++i)
                sum += left[r * row_stride + i * inner_stride] * right[i * lanes + lane];
            out[r * lanes + lane] = sum;
        }
    }
}

#if defined(__GNUC__) && !defined(__CUDACC__)

using VectorOfDoubles [[gnu::vector_size(vector_lanes * sizeof(double))]] = double;

/// The same, all sums at once in registers.
template <int vectors, bool onto>
[[gnu::always_inline]] inline void multiply_rows(double const* left, std::uint64_t row_stride,
                                                 std::uint64_t inner_stride, double const* right, std::uint64_t inner,
                                                 double* out, Ahead ahead) {
    constexpr int rows = static_cast<int>(product_rows);
    VectorOfDoubles sum[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
            if constexpr (onto)
                std::memcpy(&sum[r][v], out + (r * vectors + v) * static_cast<int>(vector_lanes), sizeof(sum[r][v]));
            else
                sum[r][v] = VectorOfDoubles{};
        }
    }
    for (std::uint64_t i = 0; i < inner; ++i) {
        __builtin_prefetch(reinterpret_cast<void const*>(ahead.address + i * ahead.step), 0, 2);
        VectorOfDoubles factor[vectors];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            std::memcpy(&factor[v], right + (i * vectors + static_cast<std::uint64_t>(v)) * vector_lanes,
                        sizeof(factor[v]));
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            double const one = left[static_cast<std::uint64_t>(r) * row_stride + i * inner_stride];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v) sum[r][v] += one * factor[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            std::memcpy(out + (r * vectors + v) * static_cast<int>(vector_lanes), &sum[r][v], sizeof(sum[r][v]));
    }
}

#else

template <int vectors, bool onto>
inline void multiply_rows(double const* left, std::uint64_t row_stride, std::uint64_t inner_stride, double const* right,
                          std::uint64_t inner, double* out, Ahead) {
    multiply_rows_plain<vectors, onto>(left, row_stride, inner_stride, right, inner, out);
}

#endif

/// Vectors [token, token + tokens) of a layer and head as doubles, [padded_rows(tokens)][padded_rows(dim)]; what pads is
/// zero. Host only.
inline void widen_vectors(KvView const& view, std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                          std::uint64_t tokens, double* wide) {
    auto const dim = view.shape.dim;
    auto const width = padded_rows(dim);
    with_elements(view, [&](auto const span) {
        for (std::uint64_t t = 0; t < tokens; ++t) {
            auto const* const from = span.vector(layer, head, token + t);
            double* const to = wide + t * width;
            for (std::uint64_t c = 0; c < dim; ++c) to[c] = static_cast<double>(to_float(from[c]));
            for (std::uint64_t c = dim; c < width; ++c) to[c] = 0;
        }
    });
    std::memset(wide + tokens * width, 0, (padded_rows(tokens) - tokens) * width * sizeof(double));
}

}  // namespace kvstone
