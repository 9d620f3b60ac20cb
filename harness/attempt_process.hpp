#pragma once
// The program inside an attempt's process.

namespace kvstone {

/// In an attempt's environment: the factor by which every timed pass takes longer (see backends/timer.hpp).
inline constexpr char const* slow_down_variable = "KVSTONE_SLOW_DOWN";

/// The program `kvstone-attempt` without its `main`, so that test programs can link it with stages of their own:
///   kvstone-attempt                  reads an AttemptRequest as JSON from standard input
///   kvstone-attempt --probe BACKEND  measures that backend's roofline
///   kvstone-attempt --abilities      tells its backends and vector units
///   kvstone-attempt --codec-library FILE [KEY=VALUE...]
///                                    runs a codec library for another attempt (external/library_server.hpp)
/// All but the last answer with JSON on descriptor 3, or on standard output where that descriptor is not open (at a terminal,
/// under a debugger). Returns 0 with an answer of any status, and 2 where the request cannot be read.
int attempt_main(int argc, char** argv);

}  // namespace kvstone
