#pragma once
// Decoding onto memory filled with a pattern: a value that a decoder leaves unwritten cannot look like the right one.
// Every decode is checked in this way, except timed passes.

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "backends/backend.hpp"
#include "backends/kernels/poison.hpp"
#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"

namespace kvstone {

/// checking: target and scratch memory are filled with the pattern before (see poison.hpp), and the target is searched
/// for it afterwards. timing: the stages' work alone; the values of such a pass are never judged.
enum class DecodeFor : std::uint8_t { checking, timing };

/// A decoder that did not write every value: a fault of the codec, not of the stored bytes.
class UnwrittenValues : public std::runtime_error {
  public:
    UnwrittenValues(Component component, std::uint64_t values, std::uint64_t of);
};

/// Nanoseconds that this process has spent so far on filling and searching memory, and on decoding again for it: to be
/// subtracted from a time measured around decoding for checking.
std::int64_t checking_ns();

/// Adds its lifetime to checking_ns(), unless it lives within another one.
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

/// Calls decode(), which has to write every value of `target`, on memory filled with the pattern. Throws
/// UnwrittenValues.
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
    // Original values may equal the pattern, and raw bits come back. A second pattern tells: a written value does not
    // keep it.
    auto const own = poisoned_values(target, kind, Poison::second);
    change_poison(target, kind);
    decode();
    auto const kept = poisoned_values(target, kind, Poison::second);
    if (kept > own) throw UnwrittenValues(component, kept - own, target.shape.values());
}

}  // namespace kvstone
