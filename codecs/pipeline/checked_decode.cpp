#include "codecs/pipeline/checked_decode.hpp"

#include <atomic>

#include <fmt/format.h>

namespace kvstone {
namespace {

std::atomic<std::int64_t> checked_ns{0};
thread_local bool checking = false;

}  // namespace

UnwrittenValues::UnwrittenValues(Component component, std::uint64_t values, std::uint64_t of)
    : std::runtime_error(fmt::format("{}: decoding left {} of {} values unwritten", name_of(component), values, of)) {}

std::int64_t checking_ns() { return checked_ns; }

CheckingTime::CheckingTime() : outermost_(!checking), start_(std::chrono::steady_clock::now()) { checking = true; }

CheckingTime::~CheckingTime() {
    if (!outermost_) return;
    checking = false;
    checked_ns +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace kvstone
