#pragma once
// The judgement of one figure, one rule or a whole gate.

#include <cstdint>
#include <string_view>

namespace kvstone {

/// From good to bad in the order of exit codes, see worse(). advisory: reported, without consequences.
enum class Verdict : std::uint8_t { pass, advisory, inconclusive, missing, failed, regression };

constexpr std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass:
            return "pass";
        case Verdict::advisory:
            return "advisory";
        case Verdict::inconclusive:
            return "inconclusive";
        case Verdict::missing:
            return "missing";
        case Verdict::failed:
            return "failed";
        case Verdict::regression:
            break;
    }
    return "regression";
}

/// Requires a name of a verdict.
constexpr Verdict verdict_named(std::string_view name) {
    auto verdict = Verdict::pass;
    while (name_of(verdict) != name && verdict != Verdict::regression)
        verdict = static_cast<Verdict>(static_cast<int>(verdict) + 1);
    return verdict;
}

/// The verdict that decides where both hold.
constexpr Verdict worse(Verdict a, Verdict b) { return a > b ? a : b; }

}  // namespace kvstone
