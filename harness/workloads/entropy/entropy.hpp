#pragma once

#include <string>

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// How far coders of order 0 (Huffman, rANS, arithmetic coding with fixed tables) can get with what the cell's codec hands
/// to its entropy stages: the payload of its transforms and its quantiser, as `fp16 | zstd` codes that of `fp16`. Nothing is
/// timed, entropy stages are not run, and all is counted on the host whatever the backend.
///
/// - Figures are bits a value of the component, side data left out; `kv` is over the values of both. A part has none where
///   some payload plane lacks it: low bytes where an element is one byte, exponents of codes, channels and the past of
///   planes whose rows do not lie one after the other.
/// - Tables are one a plane of a section; by channel: one for each layer, head and place in a row. n is the symbols behind
///   one table: of a channel, tokens.
/// - duplicate_rows is of the source's vectors.
/// - entropy_ratio_bound_vs_fp16 takes payload at its bound where the rule has entropy stages, everywhere where no rule has
///   one, and the planes of side data as they are; headers are left out.
/// - Profiles: the same along layer, each layer with tables of its own.
void run_entropy(AttemptRequest const& request, Measurement& measurement);

/// What of a codec's text these figures depend on: the codec without its entropy stages and, where that matters, which of its
/// rules have any ("layers(0-1){fp16} rest{int:bits=10} coded: 0"). `fp16 | zstd` and `fp16 | gear | huffman` have `fp16`.
/// A text that is no codec of this build: itself.
std::string coded_values(std::string const& text);

}  // namespace kvstone
