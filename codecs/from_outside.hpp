#pragma once
// Stages that this program does not run by itself: an engine's own cache, and codecs that a scenario defines.
// They have no examples, since only a model's workload or such a scenario can run them.

#include <string>
#include <string_view>

#include "codecs/stage.hpp"

namespace kvstone {

/// The stage that is an engine's own cache, and a whole codec.
inline constexpr std::string_view engine_cache_stage = "engine";
/// Whether a codec's text is an engine's own cache.
bool is_engine_cache(std::string_view codec);

/// Whether values of a codec's text were decoded elsewhere (kind=declared): the stored bytes decide nothing then.
bool is_declared(std::string_view codec);

/// Whether a stage of a codec's text is a codec that a scenario defines: attempts of that scenario alone can run it.
bool is_of_scenario(std::string_view codec);

/// Whether the stage of this name is one of these.
bool is_from_outside(std::string_view stage);

/// The codec text that users are shown: a stage's first example, or of one from outside a text of its form.
std::string shown_example(StageInfo const& info);

}  // namespace kvstone
