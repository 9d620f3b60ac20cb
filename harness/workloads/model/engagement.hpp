#pragma once
// Whether a model's reads went through the codec, and what would have to change.

#include <cstdint>

#include "harness/workloads/model/codec_path.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// Below this share of reads a row says nothing of its codec.
inline constexpr double engaged_fraction = 0.5;

/// Protocol context: the most tokens of a continuation with which at least engaged_fraction of all reads go through the codec.
/// A scored token that stands j tokens behind the context reads `kept` + j + 1 vectors of each head, of which the codec coded
/// as many for every j. `read_fraction`: the mean over the scored tokens (all but the first) of a continuation of this length.
/// 0: no continuation is so short.
std::uint64_t longest_engaged_continuation(double read_fraction, double kept, std::uint64_t continuation);

/// Adds "not_engaged: ..." where less than half of the K and V read had passed through the codec (compressed_read_fraction);
/// with protocol context also the numbers, and what to change. `continuation`: tokens behind each context; 0: they differ.
/// Takes figures that the measurement has: context_tokens or task_context_tokens, and kept_share.
void warn_unless_engaged(Measurement& measurement, Protocol protocol, std::uint64_t continuation);

}  // namespace kvstone
