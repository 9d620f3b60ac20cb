#include "results/record/utc.hpp"

#include <fmt/chrono.h>

namespace kvstone {

std::string utc_text(std::chrono::system_clock::time_point instant) {
    return fmt::format("{:%FT%T}Z", std::chrono::floor<std::chrono::milliseconds>(instant));
}

std::string utc_now() { return utc_text(std::chrono::system_clock::now()); }

}  // namespace kvstone
