#pragma once
// The answers of builds of other commits to a call of an attempt.

#include "harness/attempts/attempt.hpp"

namespace kvstone {

/// Reads a Measurement that another commit printed. Members that this build does not know are ignored, members that the
/// other build lacks keep their defaults, and figures and samples that cannot be read are left out: a gate then calls
/// them missing. The `reason` of an ok measurement names the parts that were not understood. Throws CorruptData where
/// there is no status.
Measurement measurement_of_other_build(Json const& printed);

/// The attempt behind a call of a build: its printed answer, or the reason why there is none. Exit code 2 without an
/// answer is a refusal (status skipped: the build does not know the cell, the scenario or a setting); everything else
/// is a timeout or crash.
Measurement answer_of(std::string const& program, ChildOutcome const& outcome);

}  // namespace kvstone
