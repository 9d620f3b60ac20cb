#pragma once
// The speed of a backend's memory at the time of an attempt, measured around it by processes of its own.

#include "backends/kernels/roofline.hpp"
#include "harness/attempts/attempt.hpp"

namespace kvstone {

/// Runs `kvstone-attempt --probe`: two buffers of 256 MB that are not billed to any attempt. Neighbours share a probe:
/// the one after an attempt is the one before the next. All zero where it fails; the attempt then has no roofline
/// figures.
Roofline probe_roofline(Spawner& spawner, std::string const& backend, int threads);

Json to_json(Roofline const& roofline);
Roofline roofline_from_json(Json const& json);

/// Sets roofline_gb_per_s, the mean of the two probes, and adds encode_roofline and decode_roofline: for each component
/// its encode_traffic_bytes over its encode_ns, as a fraction of the roofline, with the interval of encode_ns carried
/// over; likewise for decode. attention_roofline is attention_read_gb_per_s over the mean of the probes' reading speed.
/// Nothing where both probes failed or the attempt was not timed.
void apply_roofline(Measurement& measurement, Roofline const& before, Roofline const& after);

}  // namespace kvstone
