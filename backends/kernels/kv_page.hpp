#pragma once
// A number of consecutive tokens of one layer and head: what kernels work on at a time.

#include <cstdint>

#include "backends/function.hpp"

namespace kvstone {

/// What an operation sees of a tensor: `tokens` vectors of `dim` values, `stride` values apart. T is const or not float
/// on the host, whatever the tensor holds, and the tensor's own type elsewhere: read with to_float(), write with
/// nearest_element<T>().
template <class T>
struct Page {
    T* values;
    std::uint64_t stride;
    std::uint64_t tokens;
    std::uint64_t dim;
    std::uint64_t layer;  ///< within the box, as head and token
    std::uint64_t head;
    std::uint64_t token;
    bool streaming = false;  ///< vectors start cache lines and may be written past the cache, whole lines at a time

    KVSTONE_FUNCTION T* vector(std::uint64_t t) const { return values + t * stride; }
};

}  // namespace kvstone
