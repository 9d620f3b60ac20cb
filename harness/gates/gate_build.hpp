#pragma once
// Builds of KVstone as programs, which a gate measures in turns.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "harness/attempts/attempt.hpp"

namespace kvstone {

/// The program of every commit has to understand
///   PROGRAM attempt CELL SCENARIO --json [--set KEY=VALUE]... [--slow-down FACTOR]
/// with a Measurement as JSON on standard output, or exit code 2 where it does not know an argument;
/// `PROGRAM doctor --json` describes its build, where it can.
struct GateProgram {
    std::string path;
    std::string git_sha;      ///< empty: it does not say
    std::string source_hash;  ///< the same
    std::string toolchain;
    std::string build;
};
GateProgram describe_program(Spawner& spawner, std::string const& path);

/// A call that makes an attempt.
struct BuildCall {
    std::vector<std::string> words;   ///< the program and its arguments
    std::uint64_t padding_bytes = 0;  ///< extra bytes in its environment: they vary the accidental effects of a launch
    double timeout_s = 0;
};
Json to_json(BuildCall const& call);
/// Throws CorruptData.
BuildCall build_call_from_json(Json const& json);

/// Makes the attempt, see answer_of(); its wall_ns is the time of the whole call.
Measurement call_build(Spawner& spawner, BuildCall const& call);

/// Attempts at a cell that follow each other on one node, as one launch.
struct GateBlock {
    Cell const* cell = nullptr;
    std::string phase;
    int number = 0;
    std::string order;  ///< "ABBA": the order of the builds
    int launch = 0;
    std::uint64_t padding_bytes = 0;  ///< see BuildCall
};

/// The nodes on which blocks are measured.
class GateNodes {
  public:
    virtual ~GateNodes() = default;
    /// How many blocks are measured at once. Throws SystemError where no node is left.
    virtual std::size_t count() const = 0;

    using CallOf = std::function<BuildCall(GateBlock const&, std::size_t position)>;
    using Done = std::function<void(GateBlock const&, std::vector<Measurement> const&)>;
    /// Measures blocks in their order, one at a time on each node; `done` gets each complete block. No block is begun
    /// once `go_on` has returned false. A stop ends the attempts under way: a block that is cut short is not passed to
    /// `done`.
    virtual void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                         std::function<bool()> const& go_on) = 0;
};

/// This node only.
class GateNode final : public GateNodes {
  public:
    /// `stop` is set by a signal handler: Spawner::cancel ends the attempt under way. Null: never set.
    explicit GateNode(Spawner& spawner, std::atomic<bool> const* stop = nullptr) : spawner_(spawner), stop_(stop) {}
    std::size_t count() const override { return 1; }
    void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                 std::function<bool()> const& go_on) override;

  private:
    bool stopped() const { return stop_ != nullptr && *stop_; }
    Measurement listening(BuildCall const& call);

    Spawner& spawner_;
    std::atomic<bool> const* stop_;
};

}  // namespace kvstone
