#pragma once
// Counters of consumed energy, where the machine tells.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kvstone {

/// Counts the energy of one domain (a processor's package, a device) from some time on.
struct EnergyCounter {
    std::string domain;          ///< "package-0", "package-0/dram", "NVIDIA H200"
    std::uint64_t range_uj = 0;  ///< the counter begins again at 0 behind it
    /// Microjoules; nothing where the counter does not tell, or no longer.
    std::function<std::optional<std::uint64_t>()> read_uj;
};

struct EnergyCounters {
    std::vector<EnergyCounter> all;  ///< to be added: no energy is in two of them
    std::string problem;             ///< why there are none, and how that can be changed; empty: there are some
};

}  // namespace kvstone
