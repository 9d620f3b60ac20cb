#pragma once
// What memory holds that nothing was decoded to yet.
//
// A signalling NaN with a payload of its own. No codec writes it: every conversion and every operation of arithmetic
// makes a quiet NaN. Only a decoder that copies bits can give it back, of an original that held the same bits: there are
// two such values of each element type, so that a place that was written can be told from one that was not.

#include <cstdint>

#include "backends/backend.hpp"
#include "backends/kv_view.hpp"

namespace kvstone {

enum class Poison : std::uint8_t { first, second };

/// The bits, in the lower bytes of the result.
constexpr std::uint32_t poison_bits(ElementType type, Poison which) {
    std::uint32_t const payload = which == Poison::first ? 0x25a5U : 0x1a5aU;
    switch (type) {
        case ElementType::f16:
            return 0x7c00U | (payload & 0x1ffU);
        case ElementType::bf16:
            return 0x7f80U | (payload >> 8);
        case ElementType::f32:
            break;
    }
    return 0x7f800000U | payload << 8 | 0xa5U;
}

/// Every value of a view becomes Poison::first. The view's memory belongs to `kind`.
void poison(KvView const& target, BackendKind kind);
/// How many values hold that poison. Waits for the backend.
std::uint64_t poisoned_values(KvView const& view, BackendKind kind, Poison which = Poison::first);
/// Values that hold Poison::first become Poison::second.
void change_poison(KvView const& view, BackendKind kind);
/// Bytes that hold no values: all become `byte`.
void fill_bytes(BackendKind kind, std::byte* memory, std::size_t bytes, std::byte byte);

}  // namespace kvstone
