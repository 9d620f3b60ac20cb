#pragma once
// Stages that this program does not run by itself (StageInfo::example_from_outside).

#include <string>
#include <string_view>

#include "codecs/stage.hpp"

namespace kvstone {

/// The stage that is an engine's own cache, and a whole codec.
inline constexpr std::string_view engine_cache_stage = "engine";
/// Whether a codec's text is an engine's own cache.
bool is_engine_cache(std::string_view codec);

/// The codec text that users are shown: a stage's first example, or where it has none the text that shows its form.
std::string shown_example(StageInfo const& info);

}  // namespace kvstone
