#pragma once
// Every stage of the program, by name. Stages put themselves here before main(); entries hold function pointers, since
// nothing of Kokkos exists by then.

#include <map>
#include <memory>
#include <string>

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
    /// Fills in options that follow from others; null: none does.
    void (*complete)(std::map<std::string, std::string>& options) = nullptr;
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

}  // namespace kvstone
