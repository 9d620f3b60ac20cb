#pragma once
// The instruction sets that this program was compiled for, and those of the processor. Kernels choose theirs when they run,
// but the rest has a baseline, which -DKVSTONE_NATIVE=ON raises to the processor of the build. A program that needs more
// than its processor has would end by SIGILL, so every program compares the two before its first constructor runs.

#include <cstddef>
#include <cstdint>

namespace kvstone {

/// Bit i: the i-th entry of KVSTONE_PROCESSOR_FEATURES (results/record/processor_features.hpp).
using ProcessorFeatures = std::uint64_t;

/// The features that the compiler was allowed to use for this program.
extern ProcessorFeatures const built_for;
/// Every feature there is in the table.
ProcessorFeatures all_features();
/// The features that this processor has and its kernel supports.
ProcessorFeatures processor_features();

/// Writes why a program that was built for `built` cannot run on a processor with `has` into `text`, with a line end,
/// cut at `size`. Returns the length; 0 where it can run.
std::size_t refusal_of(char const* program, ProcessorFeatures built, ProcessorFeatures has, char* text,
                       std::size_t size);

/// Ends the program with exit code 2 and refusal_of() on standard error where it was built for another processor. To be
/// called before anything else: it uses only the baseline of its architecture.
void require_processor(char const* program);

/// Writes names of features, separated by spaces, into `text`, cut at `size`. Returns the length.
std::size_t name_features(ProcessorFeatures features, char* text, std::size_t size);

}  // namespace kvstone
