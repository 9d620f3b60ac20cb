#pragma once

#include <cstdint>
#include <optional>

#include "backends/kv_view.hpp"
#include "harness/attempts/attempt.hpp"

namespace kvstone {

/// The cost of one block of a cell's source under its codec: K and V of the context's tokens, all layers, as sealed
/// containers.
struct EntryCost {
    std::uint64_t block_tokens = 0;
    ElementType type = ElementType::f32;  ///< of the source
    std::uint64_t values = 0;             ///< of the block
    std::uint64_t stored_bytes = 0;       ///< of the block, headers included
    std::uint64_t entries = 1;            ///< of the block: one, or one per layer
    /// Seconds for the block, medians; empty where the attempt takes no times.
    std::optional<double> encode_s;
    std::optional<double> decode_s;

    /// Bytes of an entry; where layers differ, their mean, rounded up.
    std::uint64_t entry_bytes() const { return (stored_bytes + entries - 1) / entries; }
};

/// Encodes as many of the source's first tokens as the cell's context has. `by_layer`: each layer in containers of its
/// own. `timed`: encodes and decodes until the stopping rule is satisfied. Untimed results of this build are kept in
/// the folder of captures: policies and budgets of one codec share them. A ledger that differs from the container is
/// reported as verify_failed. Throws NotApplicable where layers cannot be coded apart.
EntryCost measure_entry(AttemptRequest const& request, bool by_layer, bool timed, Measurement& measurement);

}  // namespace kvstone
