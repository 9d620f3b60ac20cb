#pragma once
// What a scenario says about figures: what studies published, and what ours have to reach.

#include "scenarios/grid.hpp"

namespace kvstone {

/// One item of `published:` and of `targets:` (see scenario.hpp). Their matches are read as match_of() reads them. Throw
/// ConfigError.
Published published_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before);
Target target_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before);

}  // namespace kvstone
