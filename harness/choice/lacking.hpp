#pragma once
// Of a bounded figure that nothing has measured: the words for it, and the settings that measure it.

#include <string>
#include <vector>

#include "harness/choice/choice.hpp"

namespace kvstone {

/// The first bounded figure that none of the candidates has that may be chosen, nor their rows of workload tasks; empty where
/// there is none such.
std::string lacking_figure(std::vector<Candidate> const& candidates, Bounds const& bounds);

/// "Of codecs that could be chosen, no row of workload tasks has acc (its formula), with protocol context". `all`: of every protocol; where
/// others have it, they are named. `database`: its file.
std::string lacking_text(std::string const& database, std::string const& metric, std::string const& protocol,
                         std::vector<Candidate> const& all);

/// Of `kvstone run`: workloads that measure it, with enough passages for a 99.9th percentile and its interval.
std::string settings_for(std::string const& metric, std::string const& protocol);

}  // namespace kvstone
