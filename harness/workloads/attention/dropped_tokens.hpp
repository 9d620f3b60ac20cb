#pragma once
// Attention over a cache from which a codec dropped tokens.

#include <cstdint>
#include <vector>

#include "codecs/selection/selected_codec.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/workbench.hpp"

namespace kvstone {

/// Those at some positions, of a query for every token.
HostTensor queries_at(HostTensor const& q, std::vector<std::uint64_t> const& positions);

/// The selection of a stage that sees K, V, and where it needs them a query for every token, of the first `prompt` tokens.
/// Throws as select_tokens().
Selection select_before(std::uint64_t prompt, StageText const& keep, KvTensors const& tensors);

/// [layer, KV head, token] of a cache of `tokens` tokens: 1 where the token stays, 0 where it is dropped.
std::vector<std::uint8_t> stays_of(Selection const& selection, std::uint64_t tokens);

/// Fills the benches' decoded sides from the sealed bytes of the tokens that stay. `v`: null where there is none.
SealedSelection decode_kept(Workbench const& k, Workbench const* v, Codec const& codec, Selection const& selection,
                            BackendKind kind);

}  // namespace kvstone
