#pragma once
// What is said of one figure, one rule or a whole gate.

#include <cstdint>
#include <string_view>

namespace kvstone {

/// From good to bad as exit codes rank them, see worse(). advisory: something is to be said, and nothing follows from it.
enum class Judgement : std::uint8_t { pass, advisory, inconclusive, missing, failed, regression };

constexpr std::string_view name_of(Judgement judgement) {
    switch (judgement) {
        case Judgement::pass:
            return "pass";
        case Judgement::advisory:
            return "advisory";
        case Judgement::inconclusive:
            return "inconclusive";
        case Judgement::missing:
            return "missing";
        case Judgement::failed:
            return "failed";
        case Judgement::regression:
            break;
    }
    return "regression";
}

/// Requires one of those names.
constexpr Judgement judgement_named(std::string_view name) {
    auto judgement = Judgement::pass;
    while (name_of(judgement) != name && judgement != Judgement::regression)
        judgement = static_cast<Judgement>(static_cast<int>(judgement) + 1);
    return judgement;
}

/// The one that decides where both hold.
constexpr Judgement worse(Judgement a, Judgement b) { return a > b ? a : b; }

}  // namespace kvstone
