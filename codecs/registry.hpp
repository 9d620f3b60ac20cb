#pragma once
// Every stage of the program, by name. Stages register themselves before main(); entries hold function pointers, since
// Kokkos has not started by then.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codecs/dynamic_stage.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

enum class StageKind : std::uint8_t { selector, transform, quantiser, entropy };
std::string_view name_of(StageKind kind);

struct StageEntry {
    StageInfo info;
    StageKind kind = StageKind::quantiser;
    /// Of a selector, which makes nothing: throws ConfigError where its options contradict each other. `given`: those that
    /// the text has, whatever their values.
    void (*check_selector)(Options const&, std::vector<std::string> const& given) = nullptr;
    /// Of the others, the one of the stage's kind is set. They throw ConfigError where options contradict each other.
    std::unique_ptr<DynamicTransform> (*make_transform)(Options const&) = nullptr;
    std::unique_ptr<DynamicQuantiser> (*make_quantiser)(Options const&) = nullptr;
    std::unique_ptr<DynamicEntropy> (*make_entropy)(Options const&) = nullptr;
    /// Fills in options that follow from others; null: there are none.
    void (*complete)(std::map<std::string, std::string>& options) = nullptr;
};

/// All stages by registered name.
std::map<std::string, StageEntry> const& stage_registry();

/// The entry of a name in codec text: the registered name, with its format version from 2 on. Throws ConfigError.
StageEntry const& stage_named(std::string const& name);

/// The name in codec text.
std::string versioned_name(StageInfo const& info);

/// Throws logic_error, naming the stage, where the name is missing or taken, where no example is given or one does not
/// use the stage (tests run the examples), where it has no summary, and where idle bytes or side bits have no reason or
/// idle bytes are more than half.
void register_stage(StageEntry entry);

}  // namespace kvstone
