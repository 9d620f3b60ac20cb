#pragma once
// Decoding onto memory that holds nothing, so that what a decoder does not write cannot look like what it should have
// written. Every decode goes through it, but for passes under a clock.

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "backends/backend.hpp"
#include "backends/kernels/poison.hpp"
#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"

namespace kvstone {

/// checking: target and scratch memory are filled before (see poison.hpp), the target is looked through behind. timing: the
/// stages' work alone; what such a pass gives is to be judged nowhere.
enum class DecodeFor : std::uint8_t { checking, timing };

/// A decoder that did not write every value: a fault of the codec, whatever the bytes.
class UnwrittenValues : public std::runtime_error {
  public:
    UnwrittenValues(Component component, std::uint64_t values, std::uint64_t of);
};

/// Nanoseconds that this process has spent so far on filling and looking through memory, and on decoding again for it: for
/// whoever times something that decodes for checking.
std::int64_t checking_ns();

/// Adds its lifetime to checking_ns(); within another one nothing.
class CheckingTime {
  public:
    CheckingTime();
    ~CheckingTime();
    CheckingTime(CheckingTime const&) = delete;
    CheckingTime& operator=(CheckingTime const&) = delete;

  private:
    bool outermost_;
    std::chrono::steady_clock::time_point start_;
};

/// Calls decode(), which is to write every value of `target`, onto poison. Throws UnwrittenValues.
template <class Decode>
void decode_onto_poison(KvView const& target, BackendKind kind, Component component, Decode const& decode) {
    {
        CheckingTime const time;
        poison(target, kind);
        fence(kind);
    }
    decode();
    CheckingTime const time;
    if (poisoned_values(target, kind) == 0) return;
    // Values of the original may have the same bits, and raw bits come back: written places show it by not keeping others.
    auto const own = poisoned_values(target, kind, Poison::second);
    change_poison(target, kind);
    decode();
    auto const kept = poisoned_values(target, kind, Poison::second);
    if (kept > own) throw UnwrittenValues(component, kept - own, target.shape.values());
}

}  // namespace kvstone
