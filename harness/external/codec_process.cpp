#include "harness/external/codec_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codecs/external/external_failure.hpp"
#include "harness/attempts/callers_place.hpp"
#include "harness/attempts/child_process.hpp"
#include "harness/attempts/pipe.hpp"
#include "harness/external/frame.hpp"
#include "scenarios/text.hpp"

extern char** environ;

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;
using How = ExternalFailure::How;

constexpr std::size_t kStderrTail = 4000;
constexpr std::int64_t kLongestWaitMs = 60'000;
/// What a dead program wrote last is in the pipe already; this is for a slow machine.
constexpr auto kLastWords = std::chrono::milliseconds(500);

/// Arguments and environment as exec takes them, made before fork(): behind it, nothing may be allocated.
class ExecArguments {
  public:
    explicit ExecArguments(CodecProgram const& program) : texts_(program.arguments) {
        auto const arguments = texts_.size();
        std::string path = program.python;
        for (char** variable = environ; *variable != nullptr; ++variable) {
            std::string_view const text(*variable);
            if (program.python.empty() || !text.starts_with("PYTHONPATH=")) {
                texts_.emplace_back(text);
            } else if (auto const others = text.substr(text.find('=') + 1); !others.empty()) {
                path.append(":").append(others);
            }
        }
        if (!path.empty()) texts_.push_back("PYTHONPATH=" + path);
        for (std::size_t i = 0; i < texts_.size(); ++i) (i < arguments ? argv_ : envp_).push_back(texts_[i].data());
        argv_.push_back(nullptr);
        envp_.push_back(nullptr);
    }
    char* const* argv() const { return argv_.data(); }
    char* const* envp() const { return envp_.data(); }

  private:
    std::vector<std::string> texts_;
    std::vector<char*> argv_, envp_;
};

std::string ending_of(int status) {
    if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
    char const* const name = sigabbrev_np(WTERMSIG(status));
    return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", WTERMSIG(status));
}

std::string last_line_of(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return excerpt(text.substr(text.rfind('\n') + 1));
}

}  // namespace

struct CodecProcess::State {
    CodecProgram program;
    Pipe input, output, error, stop;
    FileDescriptor handle;
    pid_t pid = -1;
    int start_error = 0;
    bool ended = false;
    std::string ending;

    std::mutex mutex;
    std::condition_variable changed;
    bool started = false;
    bool silent = false;  ///< standard error is at its end
    std::string tail;
    std::thread keeper;

    /// Starts the program.
    explicit State(CodecProgram what);
    ~State();
    void start_and_drain(ExecArguments const& arguments);
    [[noreturn]] void become_program(ExecArguments const& arguments, pid_t parent, int exec_failed) const;
    void drain();
    void end();
    std::string words();
    [[noreturn]] void fail(How how, std::string const& call, std::string const& what);
    bool send(std::vector<std::span<std::byte const>>& parts);
    bool receive(FrameReader& answer);
};

CodecProcess::State::State(CodecProgram what) : program(std::move(what)) {
    std::signal(SIGPIPE, SIG_IGN);
    ExecArguments const arguments(program);
    keeper = std::thread([this, &arguments] { start_and_drain(arguments); });
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return started; });
    }
    for (int const descriptor : {input.write.get(), output.read.get()}) fcntl(descriptor, F_SETFL, O_NONBLOCK);
    if (start_error == 0) return;
    end();
    stop.write.reset();
    keeper.join();
    throw ExternalFailure(How::error, fmt::format("{}: cannot run {}: {}", program.name, program.arguments[0],
                                                  std::strerror(start_error)));
}

CodecProcess::State::~State() {
    end();
    stop.write.reset();
    if (keeper.joinable()) keeper.join();
}

void CodecProcess::State::become_program(ExecArguments const& arguments, pid_t parent, int exec_failed) const {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    setsid();
    std::signal(SIGPIPE, SIG_DFL);
    dup2(input.read.get(), STDIN_FILENO);
    dup2(output.write.get(), STDOUT_FILENO);
    dup2(error.write.get(), STDERR_FILENO);
    if (chdir(program.folder.c_str()) == 0) {
        dup2(exec_failed, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
        close_range(4, ~0U, 0);
        execvpe(arguments.argv()[0], arguments.argv(), arguments.envp());
        exec_failed = 3;
    }
    int const number = errno;
    [[maybe_unused]] auto const written = write(exec_failed, &number, sizeof number);
    _exit(127);
}

/// The life of the thread that starts the program: the kernel kills the program when this thread ends, not only when the
/// process does, so the thread of whoever asks first will not do.
void CodecProcess::State::start_and_drain(ExecArguments const& arguments) {
    leave_the_callers_place();
    pid_t const self = getpid();
    try {
        Pipe exec_failed;
        pid = fork();
        if (pid == 0) become_program(arguments, self, exec_failed.write.get());
        start_error = pid < 0 ? errno : 0;
        exec_failed.write.reset();
        if (pid > 0 && read(exec_failed.read.get(), &start_error, sizeof start_error) <= 0) start_error = 0;
        if (pid > 0) handle.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
        if (pid > 0 && !handle.is_open() && start_error == 0) start_error = errno;
    } catch (SystemError const&) {
        start_error = EMFILE;
    }
    for (auto* const end : {&input.read, &output.write, &error.write}) end->reset();
    {
        std::lock_guard const lock(mutex);
        started = true;
    }
    changed.notify_all();
    drain();
}

void CodecProcess::State::drain() {
    std::array<char, 65536> block;
    for (int blocks_left = 16; blocks_left > 0;) {  // of one that goes on talking after its end
        std::array<pollfd, 2> waits{{{error.read.get(), POLLIN, 0}, {stop.read.get(), POLLIN, 0}}};
        if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
        if (waits[1].revents != 0) --blocks_left;
        if (waits[0].revents != 0) {
            auto const got = read(error.read.get(), block.data(), block.size());
            std::lock_guard const lock(mutex);
            if (got > 0) {
                tail.append(block.data(), static_cast<std::size_t>(got));
                if (tail.size() > 2 * kStderrTail) tail.erase(0, tail.size() - kStderrTail);
                [[maybe_unused]] auto const shown = write(STDERR_FILENO, block.data(), static_cast<std::size_t>(got));
            } else if (got == 0 || errno != EINTR) {
                error.read.reset();
                silent = true;
                changed.notify_all();
            }
        } else if (waits[1].revents != 0) {
            return;
        }
    }
}

/// Kills the program with its session, and learns how it ended.
void CodecProcess::State::end() {
    if (ended || pid <= 0) return;
    ended = true;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);  // where it has not reached setsid() yet
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    ending = ending_of(status);
}

/// What the program wrote on standard error, once it has ended.
std::string CodecProcess::State::words() {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kLastWords, [&] { return silent; });
    return utf8_tail(tail, kStderrTail);
}

void CodecProcess::State::fail(How how, std::string const& call, std::string const& what) {
    end();
    auto const line = last_line_of(words());
    throw ExternalFailure(how, fmt::format("{}: {}: {}{}{}", program.name, call, what, line.empty() ? "" : ": ", line));
}

/// Writes what the pipe takes; false where the program has closed it.
bool CodecProcess::State::send(std::vector<std::span<std::byte const>>& parts) {
    while (!parts.empty()) {
        if (parts.front().empty()) {
            parts.erase(parts.begin());
            continue;
        }
        auto const sent = write(input.write.get(), parts.front().data(), parts.front().size());
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        parts.front() = parts.front().subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

/// Reads what is there; false at the end.
bool CodecProcess::State::receive(FrameReader& answer) {
    std::array<std::byte, 65536> block;
    while (!answer.complete()) {
        auto const got = read(output.read.get(), block.data(), block.size());
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        answer.take({block.data(), static_cast<std::size_t>(got)});
    }
    return true;
}

CodecProcess::CodecProcess(CodecProgram program) : state_(std::make_unique<State>(std::move(program))) {}

CodecProcess::~CodecProcess() = default;

CodecAnswer CodecProcess::ask(std::string const& call, Json const& header,
                              std::vector<std::span<std::byte const>> const& body, std::uint64_t most_answer_bytes) {
    // One that ended over broken bytes is asked again for whole ones.
    if (state_->ended) state_ = std::make_unique<State>(CodecProgram(state_->program));
    auto& state = *state_;
    std::uint64_t body_bytes = 0;
    for (auto const& part : body) body_bytes += part.size();
    auto const head = frame_head(header, body_bytes);
    std::vector<std::span<std::byte const>> parts{std::as_bytes(std::span(head))};
    parts.insert(parts.end(), body.begin(), body.end());
    FrameReader answer(most_answer_bytes);
    bool reading = true;
    while (!answer.complete()) {
        int wait_ms = -1;
        if (state.program.deadline) {
            auto const left = *state.program.deadline - Clock::now();
            if (left <= Clock::duration::zero())
                state.fail(How::timeout, call, "no answer within the time limit of the attempt");
            wait_ms = static_cast<int>(
                std::min<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), kLongestWaitMs));
        }
        std::array<pollfd, 3> waits{{{state.handle.get(), POLLIN, 0},
                                     {reading ? state.output.read.get() : -1, POLLIN, 0},
                                     {parts.empty() ? -1 : state.input.write.get(), POLLOUT, 0}}};
        if (poll(waits.data(), waits.size(), wait_ms) < 0 && errno != EINTR)
            throw SystemError("cannot wait for a process", errno);
        // A program that closed its input may have answered without it.
        if (waits[2].revents != 0 && !state.send(parts)) parts.clear();
        bool const gone = waits[0].revents != 0;
        try {
            if (waits[1].revents != 0 || gone) reading = state.receive(answer);
        } catch (CorruptData const& error) {
            state.fail(How::error, call, std::string("the answer ") + error.what());
        }
        if (answer.complete()) break;
        if (gone) {
            state.end();
            state.fail(How::crash, call,
                       fmt::format("its process ended ({}) after {} of its answer", state.ending, answer.progress()));
        }
    }
    if (!parts.empty()) state.fail(How::error, call, "it answered before it had read the request");
    if (auto const error = answer.header().find("error"); error != answer.header().end()) {
        auto const text = error->is_string() ? error->get<std::string>() : error->dump();
        throw ExternalFailure(How::error, fmt::format("{}: {}: {}", state.program.name, call, excerpt(text)));
    }
    return {answer.header(), std::move(answer.body())};
}

CodecAnswer CodecRole::ask(CodecProgram const& program, Json const& request,
                           std::vector<std::span<std::byte const>> const& parts, std::uint64_t most_answer_bytes) {
    std::lock_guard const lock(mutex_);
    if (!process_) process_ = std::make_unique<CodecProcess>(program);
    return process_->ask(request.at("call"), request, parts, most_answer_bytes);
}

}  // namespace kvstone
