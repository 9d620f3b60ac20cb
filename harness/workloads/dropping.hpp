#pragma once
// Where codecs that drop tokens can be measured, as far as a scenario alone tells.

#include <cstdint>
#include <optional>
#include <string>

#include "codecs/codec.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// An engine removes a token from all layers and heads, once, when it has read a context. Throws NotApplicable for another
/// protocol, and where the stage keeps other tokens in each layer or head.
void check_removable(StageText const& keep, std::string const& protocol);

/// Throws NotApplicable unless the context's last token stays: the engine continues a text behind it alone.
void check_last_token(StageText const& keep, bool stays);

/// Throws NotApplicable where a cell cannot be measured because its codec drops tokens: its workload has no place for that, as
/// check_removable() has it, a stage behind needs positions of tokens, or the share of the prompt is too small.
/// `prompt_tokens`: that a policy sees; nothing where the scenario does not tell. REQUIRES: the codec drops tokens.
void check_dropping(Codec const& codec, Cell const& cell, std::optional<std::uint64_t> prompt_tokens);

}  // namespace kvstone
