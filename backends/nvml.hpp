#pragma once
// The energy of devices, by NVIDIA's management library (NVML API reference: nvmlDeviceGetTotalEnergyConsumption). It comes
// with a driver, and is loaded where it is asked: no program is linked with it.

#include <string>
#include <vector>

#include "backends/energy_counter.hpp"

namespace kvstone {

inline constexpr char nvml_library[] = "libnvidia-ml.so.1";

/// The counter of one device, which counts millijoules since the driver was loaded; `bus_id` as device_bus_id() has it.
EnergyCounters nvml_counter(std::string const& bus_id, std::string const& library = nvml_library);
/// The same of all devices, one after the other; empty without the library.
std::vector<EnergyCounters> nvml_counters(std::string const& library = nvml_library);

/// The place on the bus of the device that kernels of this process work on: "0000:19:00.0"; empty where there is none. Kokkos
/// has to be running.
std::string device_bus_id();

}  // namespace kvstone
