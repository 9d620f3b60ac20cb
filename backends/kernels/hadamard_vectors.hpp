#pragma once
// The fast Walsh-Hadamard transform of vectors in the memory of the host, with the vector units of the processor.

#include <cstdint>

#include "backends/function.hpp"

namespace kvstone {

/// Values of the largest block.
inline constexpr std::uint64_t most_hadamard_values = 1024;

/// Values of the block that starts at channel `first`: the largest power of two that fits, up to `most`.
KVSTONE_FUNCTION inline std::uint64_t hadamard_block(std::uint64_t first, std::uint64_t dim, std::uint64_t most) {
    std::uint64_t values = most;
    while (values > dim - first) values /= 2;
    return values;
}

/// What a Walsh-Hadamard transform multiplies with: a row of `dim` factors before and one after.
struct HadamardRows {
    std::uint64_t most_values;  ///< a power of two, up to most_hadamard_values
    float const* before;
    float const* after;
};

/// Vectors of `dim` values, and what becomes of them, which may be the same memory.
struct HadamardVectors {
    float const* in;
    float* out;
    std::uint64_t in_stride;
    std::uint64_t out_stride;
    std::uint64_t count;
    std::uint64_t dim;
    bool streaming;  ///< written past the cache, as far as blocks start cache lines
};

/// The transform of every vector. What is read is asked for ahead of time.
void transform_vectors(HadamardVectors const& vectors, HadamardRows const& rows);

/// One block in plain loops, in the order of additions that all forms have. `out` is not `in`.
inline void hadamard_in_cache(std::uint64_t values, float const* in, float const* before, float const* after,
                              float* out) {
    for (std::uint64_t i = 0; i < values; ++i) out[i] = in[i] * before[i];
    for (std::uint64_t step = 1; step < values; step *= 2) {
        for (std::uint64_t first = 0; first < values; first += 2 * step) {
            for (std::uint64_t i = first; i < first + step; ++i) {
                auto const low = out[i];
                out[i] = low + out[i + step];
                out[i + step] = low - out[i + step];
            }
        }
    }
    for (std::uint64_t i = 0; i < values; ++i) out[i] *= after[i];
}

}  // namespace kvstone
