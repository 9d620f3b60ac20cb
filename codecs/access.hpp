#pragma once
// What a stage asks of whoever decodes it, as far as codec text tells: how many tokens at a time, and what else.

#include <cstdint>
#include <optional>

#include "codecs/codec.hpp"

namespace kvstone {

/// What serving has to know of one stage, under its options.
CodecNeeds needs_of(StageText const& stage);

/// How many tokens a stage of a codec text codes at a time, on vectors of 128 values: 0 where it takes whole tensors alone,
/// as every entropy stage does. Whether it is 0 no shape changes.
std::uint64_t page_tokens_of(StageText const& stage);

/// The first stage that takes whole tensors alone: a cache that grows token by token never comes to code what the stage's
/// rule takes. Nothing where there is none. Rules for windows do not count, whose tokens no growing cache codes.
std::optional<StageText> whole_tensor_stage(Codec const& codec);

}  // namespace kvstone
