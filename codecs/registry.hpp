#pragma once
// Every stage of the program, by name. Stages put themselves here before main(); entries hold function pointers, since
// nothing of Kokkos exists by then.

#include <map>
#include <memory>
#include <string>
#include <type_traits>

#include "codecs/dynamic_stage.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

enum class StageKind : std::uint8_t { transform, quantiser, entropy };
std::string_view name_of(StageKind kind);

struct StageEntry {
    StageInfo info;
    StageKind kind = StageKind::quantiser;
    /// The one of its kind is set. They throw ConfigError where options contradict each other.
    std::unique_ptr<DynamicTransform> (*make_transform)(Options const&) = nullptr;
    std::unique_ptr<DynamicQuantiser> (*make_quantiser)(Options const&) = nullptr;
    std::unique_ptr<DynamicEntropy> (*make_entropy)(Options const&) = nullptr;
};

/// All stages by registered name.
std::map<std::string, StageEntry> const& stage_registry();

/// The entry of a name as text has it: registered, with its format version from 2 on. Throws ConfigError.
StageEntry const& stage_named(std::string const& name);

/// The name as text has it.
std::string versioned_name(StageInfo const& info);

/// Throws logic_error, naming the stage, where the name is missing or taken, where no example is given or one does not use
/// the stage (examples are what tests it), where it has no summary, and where idle bytes or side bits have no reason or idle
/// bytes are more than half.
void register_stage(StageEntry entry);

/// A namespace-scope object of this type registers Stage. Compiling ends with a sentence where Stage lacks a member
/// (stage_checks.hpp).
template <class Stage>
struct Register {
    Register() {
        // Without what is missing, everything below would be complained of, too.
        if constexpr (check_stage<Stage>()) {
            StageEntry entry;
            entry.info = Stage::info();
            if constexpr (std::is_base_of_v<Transform, Stage>) {
                entry.kind = StageKind::transform;
                entry.make_transform = [](Options const& options) -> std::unique_ptr<DynamicTransform> {
                    return std::make_unique<TransformAdapter<Stage>>(options);
                };
            } else if constexpr (std::is_base_of_v<Quantiser, Stage>) {
                entry.kind = StageKind::quantiser;
                entry.make_quantiser = [](Options const& options) -> std::unique_ptr<DynamicQuantiser> {
                    return std::make_unique<QuantiserAdapter<Stage>>(options);
                };
            } else {
                entry.kind = StageKind::entropy;
                entry.make_entropy = [](Options const& options) -> std::unique_ptr<DynamicEntropy> {
                    return std::make_unique<EntropyAdapter<Stage>>(options);
                };
            }
            register_stage(std::move(entry));
        }
    }
};

}  // namespace kvstone
