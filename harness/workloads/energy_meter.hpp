#pragma once
// The energy of passes, from counters that move in steps.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/energy_counter.hpp"
#include "harness/attempts/attempt.hpp"

namespace kvstone {

struct PassEnergy {
    double joules = 0;  ///< of one pass, on average
    std::uint64_t passes = 0;
};

/// Reads counters around work. A counter moves every millisecond or so (of devices every tenth of a second), and shows at both
/// ends of the work the energy of up to one such interval too little. At a constant power the error is then at most
/// 1 / least_updates of the energy, where the work takes as many intervals.
class EnergyMeter {
  public:
    static constexpr std::int64_t least_updates = 100;
    /// Above this a counter is not believed, and work that could have used more than a counter's range has no energy.
    static constexpr double most_watts = 1000;

    using Clock = std::function<std::int64_t()>;  ///< nanoseconds
    /// Waits for some steps of each counter, to learn how long they take.
    explicit EnergyMeter(std::vector<EnergyCounter> counters, Clock clock = steady_ns);

    /// False where a counter stands still or does not tell: problem() says which.
    bool tells() const { return least_ns_ > 0; }
    std::string const& problem() const { return problem_; }
    /// "package-0 + package-0/dram, idle power included"
    std::string domains() const;
    /// The shortest work that has an energy.
    std::int64_t least_ns() const { return least_ns_; }

    /// Repeats `pass`, which ends with a fence, for least_ns() and longer. Nothing where a counter no longer tells or no longer
    /// moves, or the passes took so long that it may have begun again more than once: `problem` then says so.
    std::optional<PassEnergy> of_passes(std::function<void()> const& pass, std::string& problem) const;
    /// Joules of `work`. Nothing as above, and where it took less than least_ns().
    std::optional<double> joules_of(std::function<void()> const& work) const;

  private:
    struct Reading {
        std::vector<std::optional<std::uint64_t>> uj;
        std::int64_t ns = 0;
    };
    static std::int64_t steady_ns();
    Reading read() const;
    std::optional<double> joules_between(Reading const& before, Reading const& after, std::string& problem) const;
    std::optional<double> interval_ns(EnergyCounter const& counter);

    std::vector<EnergyCounter> counters_;
    Clock clock_;
    std::int64_t least_ns_ = 0;
    std::string problem_;
};

/// The meter of a cell's processor, or of its device where `on_device`, for which the row says the domains (Host::energy). Nothing
/// where the cell does not ask for energy, the machine does not tell, or the codec runs in a process of its own, to which
/// values are carried. Where there is a counter and it stands still, the row has a note.
std::optional<EnergyMeter> energy_meter(AttemptRequest const& request, bool on_device, Measurement& measurement);

/// Notes in the row why it has no energy although it was asked for, and there is a counter.
void warn_of_no_energy(Measurement& measurement, std::string const& problem);

}  // namespace kvstone
