#pragma once

#include <chrono>
#include <string>

namespace kvstone {

/// An instant as "2026-01-31T23:59:59.123Z": later instants are greater texts.
std::string utc_text(std::chrono::system_clock::time_point instant);
std::string utc_now();

}  // namespace kvstone
