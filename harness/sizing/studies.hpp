#pragma once
// Tables of published studies, beside the figures from their shapes.

#include <optional>
#include <string>
#include <vector>

#include "results/record/screen.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

struct StudyLine {
    std::string what;
    std::optional<double> claimed;
    double computed = 0;
    std::string unit;
    std::string remark;  ///< why the two differ, where they do
};

struct Study {
    std::string name;   ///< "a9"
    std::string title;  ///< the shape, and where the claims stand
    std::vector<StudyLine> lines;
};

std::vector<std::string> study_names();

/// Encodes (layer_bytes.hpp). Requires a BackendRuntime. Throws ConfigError where there is no such study.
Study study_of(std::string const& name);

/// The study for people, with the difference of each line; and as one object.
std::string study_text(Study const& study, Screen const& screen = {});
Json study_json(Study const& study);

}  // namespace kvstone
