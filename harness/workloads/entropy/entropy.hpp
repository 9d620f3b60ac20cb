#pragma once

#include <string>

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// How far coders of order 0 (Huffman, rANS, arithmetic coding with fixed tables) can shrink the input of the cell
/// codec's entropy stages: the payload of its transforms and its quantiser, as `fp16 | zstd` codes that of `fp16`.
/// Nothing is timed, entropy stages are not run, and all counts are made on the host, whatever the backend.
///
/// - Figures are bits per value of the component, side data left out; `kv` is over the values of both. A figure is
///   missing where a payload plane lacks its part: low bytes where an element is one byte, exponents of codes, channels
///   and the past of planes whose rows do not lie one after the other.
/// - There is one table per plane of a section; by channel: one for each layer, head and place in a row. n is the
///   number of symbols behind one table: for a channel, tokens.
/// - duplicate_rows is about the source's vectors.
/// - entropy_ratio_bound_vs_fp16 counts payload at its bound where the rule has entropy stages, and everywhere where no
///   rule has one; planes of side data count as stored; headers are left out.
/// - Profiles: the same along layer, each layer with tables of its own.
void run_entropy(AttemptRequest const& request, Measurement& measurement);

/// The part of a codec's text that these figures depend on: the codec without its entropy stages and, where that
/// matters, the rules that have any ("layers(0-1){fp16} rest{int:bits=10} coded: 0"). `fp16 | zstd` and `fp16 | gear |
/// huffman` both give `fp16`. A text that is no codec of this build is returned unchanged.
std::string coded_values(std::string const& text);

}  // namespace kvstone
