#include "harness/attempts/child_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/attempts/pipe.hpp"
#include "harness/attempts/process_memory.hpp"
#include "results/record/text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kOutputLimit = std::size_t{64} << 20;
constexpr std::size_t kStderrTail = 4000;
constexpr int kMemoryPeriodMs = 20;
constexpr int kResultDescriptor = 3;

volatile std::sig_atomic_t running_child = 0;

void set_limit(__rlimit_resource resource, std::uint64_t value) {
    rlimit const limit{value, value};
    setrlimit(resource, &limit);
}

[[noreturn]] void become_child(ChildCommand const& command, pid_t parent, Pipe const& input, Pipe const& output,
                               Pipe const& error) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it died before the line above
    setsid();
    for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(input.read.get(), STDIN_FILENO);
    dup2(error.write.get(), STDOUT_FILENO);
    dup2(error.write.get(), STDERR_FILENO);
    dup2(output.write.get(), kResultDescriptor);
    close_range(kResultDescriptor + 1, ~0U, 0);
    if (int const score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); score >= 0) {
        [[maybe_unused]] auto const written = write(score, "1000", 4);
        close(score);
    }
    set_limit(RLIMIT_CORE, 0);
    if (command.data_bytes != 0) set_limit(RLIMIT_DATA, command.data_bytes);

    std::vector<std::string> variables;
    for (auto const& [name, value] : command.environment) variables.push_back(name + '=' + value);
    std::vector<char*> arguments, environment;
    for (auto const& argument : command.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
    for (auto const& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    execve(arguments[0], arguments.data(), environment.data());
    std::fprintf(stderr, "cannot run %s: %s\n", arguments[0], std::strerror(errno));
    _exit(127);
}

/// Appends the available bytes to `text`; closes at the end of file. Keeps at most `limit` bytes: the first ones, or
/// the last ones (and up to as many again) where `tail`. One block at a time, so that no other descriptor starves;
/// true: come again.
bool drain(FileDescriptor& descriptor, std::string& text, std::size_t limit, bool tail) {
    std::array<char, 65536> block;
    if (!descriptor.is_open()) return false;
    auto const got = read(descriptor.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
        descriptor.reset();
        return false;
    }
    auto const size = static_cast<std::size_t>(got);
    if (tail) {
        text.append(block.data(), size);
        if (text.size() > 2 * limit) text.erase(0, text.size() - limit);
    } else {
        text.append(block.data(), std::min(size, limit - text.size()));
    }
    return true;
}

void feed(FileDescriptor& descriptor, std::string_view& input) {
    auto const sent = write(descriptor.get(), input.data(), input.size());
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (sent > 0) input.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 || input.empty()) descriptor.reset();
}

/// Kills and reaps everything that came down to this process from a child that ended (it is their subreaper).
void reap_descendants() {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        while (waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        std::ifstream children("/proc/thread-self/children");
        bool any = false;
        for (pid_t pid = 0; children >> pid; any = true) kill(pid, SIGKILL);
        if (!any) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

std::string utf8_tail(std::string_view text, std::size_t bytes) {
    auto const valid = valid_utf8(text);
    if (valid.size() <= bytes) return valid;
    auto start = valid.size() - bytes;
    while (start < valid.size() && (static_cast<unsigned char>(valid[start]) & 0xC0) == 0x80) ++start;
    return valid.substr(start);
}

void kill_running_child() noexcept {
    if (running_child > 0) kill(-static_cast<pid_t>(running_child), SIGKILL);
}

ChildOutcome run_child(ChildCommand const& command, int owner) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    Pipe input, output, error;
    auto const kills_before = oom_kill_count();
    auto const start = Clock::now();
    pid_t const self = getpid();
    pid_t const pid = fork();
    if (pid < 0) throw SystemError("cannot start a process", errno);
    if (pid == 0) become_child(command, self, input, output, error);
    running_child = pid;
    FileDescriptor const handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!handle.is_open()) throw SystemError("cannot watch a process", errno);
    input.read.reset();
    output.write.reset();
    error.write.reset();
    for (int const descriptor : {input.write.get(), output.read.get(), error.read.get()})
        fcntl(descriptor, F_SETFL, O_NONBLOCK);

    ChildOutcome outcome;
    std::string_view remaining = command.input;
    if (remaining.empty()) input.write.reset();
    MemoryWatch memory(pid);
    bool killed = false;
    auto const kill_child = [&] {
        killed = true;
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);  // where it has not reached setsid() yet
    };
    while (true) {
        std::array<pollfd, 5> waits{{{handle.get(), POLLIN, 0},
                                     {owner, static_cast<short>(outcome.cancelled ? POLLRDHUP : POLLRDHUP | POLLIN), 0},
                                     {output.read.get(), POLLIN, 0},
                                     {error.read.get(), POLLIN, 0},
                                     {input.write.get(), POLLOUT, 0}}};
        int const ready = poll(waits.data(), waits.size(), kMemoryPeriodMs);
        if (ready < 0 && errno != EINTR) throw SystemError("cannot wait for a process", errno);
        if (ready > 0) {
            if (waits[1].revents == POLLIN) {
                if (waits[0].revents == 0) {  // else it has ended by itself
                    outcome.cancelled = true;
                    kill_child();
                }
            } else if (waits[1].revents != 0) {
                kill_child();
                waitpid(pid, nullptr, 0);
                reap_descendants();
                _exit(0);
            }
            if (waits[2].revents != 0) drain(output.read, outcome.output, kOutputLimit, false);
            if (waits[3].revents != 0) drain(error.read, outcome.stderr_tail, kStderrTail, true);
            if (waits[4].revents != 0) feed(input.write, remaining);
            if (waits[0].revents != 0) break;
        }
        if (killed) continue;
        double const elapsed_s = std::chrono::duration<double>(Clock::now() - start).count();
        if (command.timeout_s > 0 && elapsed_s > command.timeout_s) {
            outcome.timed_out = true;
            kill_child();
        } else if (memory.due() && command.memory_bytes != 0 && memory.resident_bytes() > command.memory_bytes) {
            outcome.memory_exceeded = true;
            kill_child();
        }
    }
    kill(-pid, SIGKILL);  // before its first process is reaped, so that the number cannot be another's
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    running_child = 0;
    outcome.wall_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    reap_descendants();
    while (drain(output.read, outcome.output, kOutputLimit, false)) {
    }
    while (drain(error.read, outcome.stderr_tail, kStderrTail, true)) {
    }
    outcome.stderr_tail = utf8_tail(outcome.stderr_tail, kStderrTail);
    outcome.peak_rss_bytes = memory.peak_bytes();
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    outcome.oom_killed = outcome.signal == SIGKILL && !killed && oom_kill_count() > kills_before;
    return outcome;
}

}  // namespace kvstone
