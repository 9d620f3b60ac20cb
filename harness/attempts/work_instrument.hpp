#pragma once
// The instrument that counts the instructions of an attempt: valgrind's callgrind around the attempt's process.
//
// It simulates one processor with caches of stated sizes, so that the same program on the same tensors gives the same counts on
// every machine that has the same vector units (results/record/host.hpp: instrument).

#include <filesystem>
#include <string>
#include <vector>

#include "harness/attempts/spawner.hpp"
#include "results/record/measurement.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// The pass that a file of counts is about.
struct CountedPass {
    std::string pass;       ///< "encode" or "decode"; start_pass: up to main()
    std::string component;  ///< "k" or "v", of the start "kv"
    std::uint64_t values = 0;
};
inline constexpr char start_pass[] = "start";
/// The text by which the attempt names a pass to the instrument.
std::string counted_pass_name(CountedPass const& pass);

/// One file of counts.
struct WorkCounts {
    CountedPass pass;
    std::string instrument;  ///< "callgrind-3.27.1"
    double instructions = 0;
    double l1_misses = 0;                                   ///< of data, reading and writing
    double last_level_misses = 0;                           ///< of data and instructions
    double branch_misses = 0;                               ///< of conditional and indirect branches
    std::vector<std::pair<std::string, double>> functions;  ///< instructions of their own, the most first
};
/// Reads a file that callgrind wrote. `pass.values` is 0 where the file is about no counted pass. Throws CorruptData where it is
/// no such file.
WorkCounts read_callgrind(std::string const& text);

/// A folder of counts of one attempt, removed at the end.
class WorkInstrument {
  public:
    /// Throws ConfigError where valgrind is not in PATH, SystemError where no folder can be made.
    WorkInstrument();
    ~WorkInstrument();
    WorkInstrument(WorkInstrument const&) = delete;
    WorkInstrument& operator=(WorkInstrument const&) = delete;

    /// Lets a command for an attempt run under the instrument: one thread, vector units that the instrument has, an environment
    /// of the same size wherever it runs, and no limit on memory but that on its resident size.
    /// `start`: counting begins with the process.
    void surround(ChildCommand& command, bool start);
    /// Adds what was counted to the attempt's measurement: figures per value, and functions; those of the program and its
    /// start. Throws CorruptData where there are no counts.
    void add_counts(Measurement& measurement) const;

  private:
    std::string valgrind_;
    std::string program_;
    std::filesystem::path folder_;
};

/// Host::instrument of a version ("callgrind-3.27.1") that counts on such a part of the tensors.
std::string instrument_text(std::string const& version, WorkSample const& sample);
/// The same with the version of the valgrind in PATH, which is asked. Throws ConfigError where there is none.
std::string instrument_of_attempts(Spawner& spawner, WorkSample const& sample);
/// The vector units of attempts under the instrument, where attempts otherwise have `vector_units`.
std::string counted_vector_units(std::string const& vector_units);

}  // namespace kvstone
