#pragma once

#include <string>

namespace kvstone {

/// $XDG_CACHE_HOME/kvstone/NAME, or below $HOME/.cache; empty where neither is an absolute path. It need not exist.
std::string cache_folder(std::string const& name);

}  // namespace kvstone
