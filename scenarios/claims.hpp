#pragma once
// Claims of a scenario about figures: published ones of studies, and targets for ours.

#include "scenarios/grid.hpp"

namespace kvstone {

/// One item of `published:` and of `targets:` (see scenario.hpp). Their matches are read by match_of(). Throw
/// ConfigError.
Published published_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before);
Target target_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before);

}  // namespace kvstone
