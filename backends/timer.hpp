#pragma once

#include <chrono>
#include <cstdint>

#include "backends/backend.hpp"

namespace kvstone {

/// The factor by which every timed pass of this process takes longer, by waiting: a gate proves with it that it would
/// see a slower codec. Set before the first pass, or never.
inline double slow_down_factor = 1;

/// Nanoseconds that `work()` takes on a backend, fenced on both sides.
template <class Work>
std::int64_t fenced_ns(BackendKind kind, Work&& work) {
    using Clock = std::chrono::steady_clock;
    auto const nanoseconds = [](Clock::duration passed) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count();
    };
    fence(kind);
    auto const start = Clock::now();
    work();
    fence(kind);
    auto passed = nanoseconds(Clock::now() - start);
    if (slow_down_factor > 1)
        for (auto const wanted = static_cast<std::int64_t>(slow_down_factor * static_cast<double>(passed));
             passed < wanted;)
            passed = nanoseconds(Clock::now() - start);
    return passed;
}

}  // namespace kvstone
