#include "results/utc.hpp"

#include <chrono>

#include <fmt/chrono.h>

namespace kvstone {

std::string utc_now() {
    auto const now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return fmt::format("{:%FT%T}Z", now);
}

}  // namespace kvstone
