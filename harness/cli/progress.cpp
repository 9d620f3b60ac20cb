#include "harness/cli/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/terminal.hpp"
#include "results/record/wrapped.hpp"

namespace kvstone {

ProgressDisplay::ProgressDisplay() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressDisplay::~ProgressDisplay() { clear(); }

void ProgressDisplay::clear() {
    if (std::exchange(drawn_, false)) std::fputs("\r\033[K", stderr);
}

void ProgressDisplay::notice(std::string const& text) {
    clear();
    say(text);
}

void ProgressDisplay::attempt(Measurement const& measurement, std::string const& name) {
    last_ = name;
    bool const good = measurement.status == Status::ok;
    if (good && terminal_) return;
    auto const took = measurement.status == Status::skipped
                          ? std::string{}
                          : fmt::format(" in {:.1f} s", static_cast<double>(measurement.wall_ns) / 1e9);
    notice(fmt::format("{} {}{}{}", name_of(measurement.status), name, took,
                       measurement.reason.empty() ? "" : ": " + measurement.reason));
}

void ProgressDisplay::progress(Progress const& progress) {
    auto const left = progress.left_s ? "about " + duration_text(*progress.left_s) + " left" : std::string("...");
    auto const failed = progress.failed > 0 ? fmt::format(", {} failed", progress.failed) : std::string{};
    auto const text = fmt::format("{}/{} attempts{}, {} elapsed, {}", progress.done, progress.total, failed,
                                  duration_text(progress.elapsed_s), left);
    if (!terminal_) {
        // Every tenth part is enough for a log.
        auto const step = std::max<std::size_t>(1, progress.total / 10);
        if (progress.done % step == 0 || progress.done == progress.total) notice(text);
        return;
    }
    clear();
    // A second line could not be cleared.
    auto const line = wrapped_lines(fmt::format("{}  {}", text, last_), standard_error().columns - 1).front();
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
}

void say(std::string const& text) { std::fputs((text + '\n').c_str(), stderr); }

std::string duration_text(double seconds) {
    auto const whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace kvstone
