#include "harness/cli/stop_signals.hpp"

#include <csignal>
#include <initializer_list>

namespace kvstone {
namespace {

void request_stop(int) { stop_requested = true; }

}  // namespace

void stop_on_signals() {
    struct sigaction action{};
    action.sa_handler = request_stop;
    for (int const signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

}  // namespace kvstone
