#pragma once
// What a build of another commit says of an attempt.

#include "harness/attempts/attempt.hpp"

namespace kvstone {

/// Reads a Measurement that another commit printed. Members that this build does not know are passed over, those that the
/// other did not know keep their defaults, and figures and samples that cannot be read are left out: a gate then calls them
/// missing. An ok measurement names in `reason` what was not understood. Throws CorruptData where it tells no status.
Measurement measurement_of_other_build(Json const& printed);

/// The attempt that a call of a build was: what it printed, or why there is nothing. Exit code 2 without an answer is a
/// refusal (status skipped: it does not know the cell, the scenario or a setting), all else timeout or crash.
Measurement answer_of(std::string const& program, ChildOutcome const& outcome);

}  // namespace kvstone
