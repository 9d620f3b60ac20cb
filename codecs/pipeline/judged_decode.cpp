#include "codecs/pipeline/judged_decode.hpp"

#include <atomic>

#include <fmt/format.h>

namespace kvstone {
namespace {

std::atomic<std::int64_t> judged_ns{0};
thread_local bool judging = false;

}  // namespace

UnwrittenValues::UnwrittenValues(Component component, std::uint64_t values, std::uint64_t of)
    : std::runtime_error(fmt::format("{}: decoding left {} of {} values unwritten", name_of(component), values, of)) {}

std::int64_t judging_ns() { return judged_ns; }

JudgingTime::JudgingTime() : outermost_(!judging), start_(std::chrono::steady_clock::now()) { judging = true; }

JudgingTime::~JudgingTime() {
    if (!outermost_) return;
    judging = false;
    judged_ns +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace kvstone
