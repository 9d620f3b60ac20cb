#pragma once

#include <chrono>
#include <cstdint>

#include "backends/backend.hpp"

namespace kvstone {

/// The factor by which every timed pass of this process takes longer, by waiting: a gate proves with it that it would
/// see a slower codec. Set before the first pass, or never.
inline double slow_down_factor = 1;

/// Nanoseconds that this thread has spent so far on work that no codec is to be charged with, such as carrying values to
/// the process that a codec runs in: timed passes leave them out.
inline thread_local std::int64_t uncounted_ns = 0;

/// Adds its lifetime to uncounted_ns, without the part that counts nevertheless.
class UncountedTime {
  public:
    UncountedTime() = default;
    ~UncountedTime() {
        auto const passed = std::chrono::steady_clock::now() - start_;
        uncounted_ns += std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count() - counted_ns_;
    }
    UncountedTime(UncountedTime const&) = delete;
    UncountedTime& operator=(UncountedTime const&) = delete;
    void count(std::int64_t ns) { counted_ns_ += ns; }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::int64_t counted_ns_ = 0;
};

/// Nanoseconds that `work()` takes on a backend, fenced on both sides.
template <class Work>
std::int64_t fenced_ns(BackendKind kind, Work&& work) {
    using Clock = std::chrono::steady_clock;
    fence(kind);
    auto const uncounted_before = uncounted_ns;
    auto const start = Clock::now();
    auto const passed_ns = [&] {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count() -
               (uncounted_ns - uncounted_before);
    };
    work();
    fence(kind);
    auto passed = passed_ns();
    if (slow_down_factor > 1)
        for (auto const wanted = static_cast<std::int64_t>(slow_down_factor * static_cast<double>(passed));
             passed < wanted;)
            passed = passed_ns();
    return passed;
}

}  // namespace kvstone
