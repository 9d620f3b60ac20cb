#pragma once

#include <chrono>
#include <cstdint>

#include "backends/backend.hpp"

namespace kvstone {

/// Nanoseconds that `work()` takes on a backend, fenced on both sides.
template <class Work>
std::int64_t fenced_ns(BackendKind kind, Work&& work) {
    fence(kind);
    auto const start = std::chrono::steady_clock::now();
    work();
    fence(kind);
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace kvstone
