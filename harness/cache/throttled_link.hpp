#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

namespace kvstone {

/// Waits by the steady clock, to the microsecond: the kernel wakes sleepers some tens of microseconds late, so the end
/// of a wait polls the clock.
struct PreciseClock {
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;
    static time_point now() { return std::chrono::steady_clock::now(); }
    static void wait_until(time_point until) {
        constexpr std::chrono::microseconds watched{200};
        if (until - now() > watched) std::this_thread::sleep_until(until - watched);
        while (now() < until) {
        }
    }
};

/// A link with a limited number of bytes per second: a token bucket. Its data is already in memory, as after a transfer
/// without the processor; the link makes the receiver wait. Not thread-safe. `Clock` has the members of PreciseClock.
template <class Clock = PreciseClock>
class ThrottledLink {
  public:
    /// `bytes_per_s` 0: no limit. `burst_bytes`: the most bytes that an idle link saves up and then delivers at once.
    explicit ThrottledLink(double bytes_per_s, double burst_bytes = 0)
        : seconds_per_byte_(bytes_per_s > 0 ? 1 / bytes_per_s : 0),
          burst_(seconds(seconds_per_byte_ * burst_bytes)),
          busy_until_(Clock::now() - burst_) {}

    /// Returns when this many bytes more have come.
    void receive(std::uint64_t bytes) {
        if (seconds_per_byte_ == 0) return;
        busy_until_ =
            std::max(busy_until_, Clock::now() - burst_) + seconds(seconds_per_byte_ * static_cast<double>(bytes));
        Clock::wait_until(busy_until_);
    }

  private:
    using Duration = typename Clock::duration;
    static Duration seconds(double s) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s)); }

    double seconds_per_byte_;
    Duration burst_;
    typename Clock::time_point busy_until_;  ///< when all requested bytes have come
};

}  // namespace kvstone
