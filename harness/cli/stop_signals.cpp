#include "harness/cli/stop_signals.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <initializer_list>

#include <unistd.h>

#include "harness/cli/exit_code.hpp"

namespace kvstone {
namespace {

std::atomic<int> first_signal{0};

void request_stop(int signal) {
    // The signal before the flag: who sees the flag asks which it was.
    if (int none = 0; first_signal.compare_exchange_strong(none, signal)) {
        stop_requested = true;
    } else if (stop_urged.exchange(true)) {
        _exit(exit_interrupted);
    }
}

}  // namespace

void stop_on_signals() {
    struct sigaction action{};
    action.sa_handler = request_stop;
    struct sigaction hang_up{};
    sigaction(SIGHUP, nullptr, &hang_up);
    for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2})
        if (signal != SIGHUP || hang_up.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
}

double stop_grace_s(std::function<char const*(char const*)> const& variable) {
    constexpr double usual_s = 10;
    constexpr double to_end_s = 20;  // to store the last results, and for MPI to leave
    char const* const end = variable("SLURM_JOB_END_TIME");
    double const end_s = end == nullptr ? 0 : std::strtod(end, nullptr);
    if (first_signal != SIGUSR1 || end_s <= 0) return usual_s;
    auto const now = std::chrono::system_clock::now().time_since_epoch();
    return std::max(0.0, end_s - std::chrono::duration<double>(now).count() - to_end_s);
}

}  // namespace kvstone
