#pragma once

#include <cstddef>

#include "backends/backend.hpp"

namespace kvstone {

/// Memory bandwidth of a backend, in 10^9 bytes read plus written per second (medians of the passes).
struct Roofline {
    double copy_gb_per_s = 0;            ///< plain parallel copy
    double streaming_copy_gb_per_s = 0;  ///< copy with non-temporal stores; 0 where the backend has none
    double read_gb_per_s = 0;
    double write_gb_per_s = 0;
    int passes = 0;
    /// What M is quoted against: the faster copy.
    double gb_per_s() const {
        return copy_gb_per_s > streaming_copy_gb_per_s ? copy_gb_per_s : streaming_copy_gb_per_s;
    }
};

/// Measures with two buffers of `bytes` each (at least 256 MB mean something: smaller ones sit in caches).
Roofline measure_roofline(BackendKind kind, std::size_t bytes = std::size_t{256} << 20, int passes = 5);

/// One pass of the copy that a roofline is made of, for those who time it between passes of their own. Returns when it
/// is done. `streaming` is for backends that have such stores.
void copy_pass(BackendKind kind, std::byte* to, std::byte const* from, std::size_t bytes, bool streaming);

}  // namespace kvstone
