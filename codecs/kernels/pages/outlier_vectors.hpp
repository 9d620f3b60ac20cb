#pragma once
// The largest and smallest values of vectors, taken out, with the vector units of the processor. Host only.

#include <cstddef>
#include <cstdint>

namespace kvstone {

/// Vectors and where their outliers go: values of `value_bytes` (2: binary16, saturated; 4), indices of one byte.
struct OutlierVectors {
    static constexpr std::uint64_t most_dim = 256;
    static constexpr std::uint64_t most_each_end = 7;

    float const* in;
    float* out;  ///< may be the same memory
    std::uint64_t in_stride;
    std::uint64_t out_stride;
    std::uint64_t count;
    std::uint64_t dim;       ///< up to most_dim
    std::uint64_t each_end;  ///< 1 to most_each_end
    std::uint32_t value_bytes;
    std::byte* values;
    std::byte* indices;
    bool streaming;  ///< `out` is written past the cache, as far as vectors start cache lines
};

/// Takes vectors one after the other, and returns how many: it stops before one that needs a closer look, with NaN, with equal
/// values at the edge of what is taken, or of which nothing would stay.
std::uint64_t take_outliers(OutlierVectors const& vectors);

}  // namespace kvstone
