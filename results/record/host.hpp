#pragma once
// The node under a measurement: its hardware, and its state.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/json.hpp"

namespace kvstone {

struct Host {
    std::string name;
    std::string
        hardware_class;  ///< 16 hexadecimal digits over CPU model, cores, memory in GiB, GPU models, vector units
    std::string hardware_name;  ///< the same for people: "AMD EPYC x2 24GiB avx2"
    std::string cpu_model;
    int sockets = 0;  ///< 0: not known, as for all numbers below
    int cores = 0;    ///< physical
    int threads = 0;
    bool smt = false;  ///< more than one thread a core
    int numa_nodes = 0;
    std::uint64_t memory_bytes = 0;
    std::string kernel;
    std::string governor;          ///< empty: not known, as in virtual machines
    std::vector<std::string> isa;  ///< vector extensions that codecs use, as named by /proc/cpuinfo
    std::string vector_units;  ///< of those, the ones of kernels (backends/kernels/simd_target.hpp); empty: not known
    /// The instrument that counts instructions, and the part of tensors: "callgrind-3.27.1, 1 layers, 512 tokens"; empty:
    /// none. It simulates a processor of its own, so that it and the vector units alone make the class.
    std::string instrument;
    /// The domains whose energy the attempt read: "package-0 + package-0/dram, idle power included"; empty: none. No part of
    /// the class.
    std::string energy;
    std::vector<std::string> gpus;
    std::string gpu_driver;
    std::string affinity;  ///< processors that this process may run on: "0-3,8"

    // At the time of the measurement.
    double load_average = 0;  ///< over the last minute
    std::optional<double> temperature_c;
    std::optional<double> clock_mhz;  ///< of the fastest core, which worked last
    std::string slurm_job;            ///< $SLURM_JOB_ID; empty: none

    bool operator==(Host const&) const = default;
};

/// Reads /proc and /sys below `root`; facts that are not there stay empty. The vector units that kernels use are known to
/// the caller, and so is an instrument. Does not throw.
Host describe_host(std::string const& vector_units, std::string const& root = "", std::string const& instrument = "");

Json to_json(Host const& host);
/// Throws CorruptData where members are missing or of another type.
Host host_from_json(Json const& json);

}  // namespace kvstone
