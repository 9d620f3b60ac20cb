#include "harness/attempts/spawner.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results/record/file_descriptor.hpp"
#include "scenarios/cell.hpp"
#include "scenarios/errors.hpp"

// Parent and helper speak in frames over a socket: eight bytes of length, then MessagePack (JSON would not carry what a
// child wrote byte for byte). The parent sends a command and waits for its outcome; {"cancel": true} has no answer, and is
// all that it sends while a child runs.
namespace kvstone {
namespace {

bool send_all(int socket, void const* data, std::size_t size) {
    auto const* bytes = static_cast<char const*>(data);
    while (size != 0) {
        auto const sent = send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, void* data, std::size_t size) {
    auto* bytes = static_cast<char*>(data);
    while (size != 0) {
        auto const got = recv(socket, bytes, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool send_frame(int socket, Json const& json) {
    auto const body = Json::to_msgpack(json);
    std::uint64_t const size = body.size();
    return send_all(socket, &size, sizeof size) && send_all(socket, body.data(), body.size());
}

bool receive_frame(int socket, Json& json) {
    std::uint64_t size = 0;
    if (!receive_all(socket, &size, sizeof size)) return false;
    std::vector<std::uint8_t> body(size);
    if (!receive_all(socket, body.data(), body.size())) return false;
    json = Json::from_msgpack(body);
    return true;
}

Json to_json(ChildCommand const& command) {
    return {
        {"arguments", command.arguments}, {"environment", command.environment},   {"input", command.input},
        {"timeout_s", command.timeout_s}, {"memory_bytes", command.memory_bytes}, {"data_bytes", command.data_bytes}};
}

ChildCommand command_from_json(Json const& json) {
    return {json.at("arguments"), json.at("environment"),  json.at("input"),
            json.at("timeout_s"), json.at("memory_bytes"), json.at("data_bytes")};
}

Json to_json(ChildOutcome const& outcome) {
    return {{"exit_code", outcome.exit_code},   {"signal", outcome.signal},
            {"timed_out", outcome.timed_out},   {"memory_exceeded", outcome.memory_exceeded},
            {"oom_killed", outcome.oom_killed}, {"cancelled", outcome.cancelled},
            {"output", outcome.output},         {"stderr_tail", outcome.stderr_tail},
            {"wall_ns", outcome.wall_ns},       {"peak_rss_bytes", outcome.peak_rss_bytes}};
}

ChildOutcome outcome_from_json(Json const& json) {
    return {json.at("exit_code"),  json.at("signal"),        json.at("timed_out"), json.at("memory_exceeded"),
            json.at("oom_killed"), json.at("cancelled"),     json.at("output"),    json.at("stderr_tail"),
            json.at("wall_ns"),    json.at("peak_rss_bytes")};
}

/// An MPI launcher pins each rank to a core or two; children are to have the node (the kernel cuts the mask to the
/// cgroup's processors).
void leave_the_launchers_binding() {
    bool launched = false;
    for (char const* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
        launched = launched || std::getenv(variable) != nullptr;
    if (!launched) return;
    cpu_set_t all;
    std::memset(&all, 0xFF, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
}

/// Cores among the processors that this process may use: sibling threads count once.
int allowed_cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    std::set<std::string> cores;
    for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (!CPU_ISSET(processor, &allowed)) continue;
        auto const number = std::to_string(processor);
        std::ifstream file("/sys/devices/system/cpu/cpu" + number + "/topology/thread_siblings_list");
        std::string siblings;
        cores.insert(std::getline(file, siblings) ? siblings : number);
    }
    return static_cast<int>(cores.size());
}

ChildOutcome cancelled_outcome() {
    ChildOutcome outcome;
    outcome.cancelled = true;
    return outcome;
}

/// Runs a child, as the helper.
Json answer_to(Json const& command) {
    try {
        return to_json(run_child(command_from_json(command), 3));
    } catch (std::exception const& error) {
        return {{"failure", error.what()}};
    }
}

extern "C" void end_helper(int) {
    kill_running_child();
    _exit(0);
}

/// The helper's whole life. Whatever ends the parent closes the socket; the death signal is there for a descriptor that
/// leaked into another process of the parent's.
[[noreturn]] void help(int socket, pid_t parent) {
    int const parent_died = SIGRTMIN;  // a signal of our own
    std::signal(parent_died, end_helper);
    prctl(PR_SET_PDEATHSIG, parent_died);
    if (getppid() != parent) _exit(0);
    prctl(PR_SET_NAME, "kvstone-spawner");
    // Signals that ask the program to end reach the parent, which decides. Its process group is left for the same
    // reason.
    setsid();
    for (int const signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    int const kept = fcntl(socket, F_DUPFD, 10);  // clear of the standard descriptors
    int const null = open("/dev/null", O_RDWR);
    for (int const descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, descriptor);
    dup2(kept, 3);
    close_range(4, ~0U, 0);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    leave_the_launchers_binding();
    try {
        bool cancelled = false;
        Json message;
        bool connected = send_frame(3, {{"cores", allowed_cores()}});
        while (connected && receive_frame(3, message)) {
            if (message.contains("cancel")) {
                cancelled = true;
            } else if (cancelled) {
                connected = send_frame(3, to_json(cancelled_outcome()));
            } else {
                connected = send_frame(3, answer_to(message));
            }
        }
    } catch (...) {
        // The parent sees the socket close.
    }
    _exit(0);
}

}  // namespace

struct Spawner::State {
    pid_t helper = -1;
    FileDescriptor socket;
    int cores = 1;
    std::mutex sending;  ///< one frame at a time
    std::atomic<bool> cancelled = false;
};

Spawner::Spawner() : state_(std::make_unique<State>()) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw SystemError("cannot make a socket", errno);
    state_->socket.reset(ends[0]);
    FileDescriptor theirs(ends[1]);
    pid_t const parent = getpid();
    state_->helper = fork();
    if (state_->helper == 0) {
        state_->socket.reset();
        help(theirs.get(), parent);
    }
    if (state_->helper < 0) throw SystemError("cannot start the helper that spawns attempts", errno);
    theirs.reset();
    Json hello;
    if (receive_frame(state_->socket.get(), hello)) state_->cores = hello.at("cores");
}

Spawner::~Spawner() {
    state_->socket.reset();
    while (waitpid(state_->helper, nullptr, 0) < 0 && errno == EINTR) {
    }
}

int Spawner::cores() const { return state_->cores; }

ChildOutcome Spawner::run(ChildCommand const& command) {
    if (state_->cancelled) return cancelled_outcome();
    auto const send = [&] {
        std::lock_guard const lock(state_->sending);
        return send_frame(state_->socket.get(), to_json(command));
    };
    Json answer;
    if (!send() || !receive_frame(state_->socket.get(), answer))
        throw SystemError("the helper that spawns attempts is gone");
    if (answer.contains("failure")) throw SystemError(answer.at("failure").get<std::string>());
    return outcome_from_json(answer);
}

void Spawner::cancel() {
    if (state_->cancelled.exchange(true)) return;
    std::lock_guard const lock(state_->sending);
    send_frame(state_->socket.get(), {{"cancel", true}});  // where the helper is gone, run() says so
}

}  // namespace kvstone
