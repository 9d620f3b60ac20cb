#pragma once
// From the results of a roundtrip of K and V to figures, samples and profiles.

#include <string>
#include <vector>

#include "codecs/ledger.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/workloads/energy_meter.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

struct RoundtripResult {
    std::string component;
    KvShape shape;
    std::uint64_t original_bytes = 0;
    ByteLedger ledger;
    double nominal_bits_per_value = 0;
    std::uint64_t allocated_bytes = 0;
    std::uint64_t encode_traffic_bytes = 0;
    std::uint64_t decode_traffic_bytes = 0;
    std::vector<double> encode_ns;  ///< one per timed pass; empty: not timed
    std::vector<double> decode_ns;
    std::optional<PassEnergy> encode_energy;  ///< empty: not asked for, or not told
    std::optional<PassEnergy> decode_energy;
    std::string energy_problem;            ///< why one of them is not told, where a counter is at fault
    std::optional<Distortion> distortion;  ///< empty: only timed
    std::optional<double> channel_rms_max_over_median;
};

/// Adds the figures of each result and, where there are two, those of both as "kv".
void add_roundtrip_figures(std::vector<RoundtripResult> const& results, Measurement& measurement);

}  // namespace kvstone
