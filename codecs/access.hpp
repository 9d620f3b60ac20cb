#pragma once
// Properties of a stage that decide how a cache can use it, read from codec text: tokens per call, and other needs.

#include <cstdint>
#include <optional>

#include "codecs/codec.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {

/// The needs of one stage, under its options.
CodecNeeds needs_of(StageText const& stage);

/// How many tokens a stage of a codec text codes at a time, on vectors of 128 values: 0 where it takes whole tensors
/// alone, as every entropy stage does. The shape cannot change whether it is 0.
std::uint64_t page_tokens_of(StageText const& stage);

/// Whether the stage codes every token by itself; of one from outside, whether its definition says so.
bool codes_by_token(StageText const& stage);

/// Why a codec that drops tokens has no place where K or V are coded each by itself.
NotApplicable drops_tokens(StageText const& selection);

/// The first stage that takes whole tensors alone; nothing where there is none. A cache that grows token by token never
/// codes the tokens of that stage's rule. Rules for windows do not count: a growing cache codes none of their tokens.
std::optional<StageText> whole_tensor_stage(Codec const& codec);

}  // namespace kvstone
