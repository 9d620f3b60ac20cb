#pragma once
// The energy of processors, by Linux's power capping framework (Documentation/power/powercap/powercap.rst): the RAPL counters
// of Intel's processors, and of AMD's, whose folders have the same names.

#include <string>
#include <vector>

#include "backends/energy_counter.hpp"

namespace kvstone {

/// Names another folder of the domains: containers do not show /sys/class/powercap, but the host's can be mounted elsewhere.
inline constexpr char powercap_variable[] = "KVSTONE_POWERCAP";
/// $KVSTONE_POWERCAP, else /sys/class/powercap.
std::string powercap_folder();

/// intel-rapl:N or intel-rapl:N:M.
struct PowercapDomain {
    std::string name;            ///< "package-0"; of a domain in another one "package-0/core"
    std::string folder;          ///< has energy_uj
    bool added = false;          ///< a package, or its memory; others are parts of packages, or hold packages (psys)
    std::uint64_t range_uj = 0;  ///< max_energy_range_uj
    std::string problem;         ///< why its energy cannot be read; empty: it can
};
/// In the order of their numbers. Does not throw.
std::vector<PowercapDomain> powercap_domains(std::string const& folder = powercap_folder());

/// The counters of all domains that are added. There are none where one of them cannot be read: the sum of the others would
/// be another figure.
EnergyCounters powercap_counters(std::string const& folder = powercap_folder());

}  // namespace kvstone
