#pragma once
// One process of a command, from its first request to its end.

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "scenarios/json.hpp"

namespace kvstone {

struct CodecProgram {
    std::string name;                    ///< of the codec, for errors
    std::vector<std::string> arguments;  ///< the first is found as a shell does, in $PATH or from `folder`
    std::string folder;                  ///< the working folder
    std::string python;                  ///< put before $PYTHONPATH; empty: unchanged
    /// A request that has no answer by then has failed.
    std::optional<std::chrono::steady_clock::time_point> deadline;
};

/// A frame that a program answered with.
struct CodecAnswer {
    Json header;
    std::vector<std::byte> body;
};

/// Runs the program in a session of its own. It and whatever it started are killed when this object ends, when one of its
/// answers breaks the protocol, and when this process dies. Its standard error, of which the last 4,000 bytes are kept, goes
/// on to that of this process, so that the attempt's row has it even where the attempt is killed. Makes this process ignore
/// SIGPIPE. One request at a time. A program that has ended is started again by the next request.
class CodecProcess {
  public:
    /// Throws ExternalFailure where the program cannot be started.
    explicit CodecProcess(CodecProgram program);
    ~CodecProcess();
    CodecProcess(CodecProcess const&) = delete;
    CodecProcess& operator=(CodecProcess const&) = delete;

    /// Sends a frame with the header, and the parts one after the other as its body; returns the answer. `call` is
    /// the request's name in errors. Throws ExternalFailure, with the codec's last line on standard error in its text:
    /// error where the program says so or its answer is no frame, or larger than `most_answer_bytes`; crash where it ends;
    /// timeout.
    CodecAnswer ask(std::string const& call, Json const& header, std::vector<std::span<std::byte const>> const& parts,
                    std::uint64_t most_answer_bytes);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A process that is started by its first request, and asked by one thread at a time.
class CodecRole {
  public:
    /// As CodecProcess::ask(); the request's `call` is its name.
    CodecAnswer ask(CodecProgram const& program, Json const& request,
                    std::vector<std::span<std::byte const>> const& parts, std::uint64_t most_answer_bytes);

  private:
    std::mutex mutex_;
    std::unique_ptr<CodecProcess> process_;
};

}  // namespace kvstone
