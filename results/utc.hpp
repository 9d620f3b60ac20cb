#pragma once

#include <string>

namespace kvstone {

/// Now, as "2026-01-31T23:59:59.123Z".
std::string utc_now();

}  // namespace kvstone
