#pragma once

#include <string>
#include <vector>

namespace kvstone {

/// A scenario to be read; one of a bundle (NAME.zip) lies unpacked, with the options of its run.
struct ScenarioFile {
    std::string path;
    std::vector<std::string> only;
    std::vector<std::string> set;  ///< KEY=VALUE
    std::string plan_hash = {};    ///< the plan's hash when the bundle was made; empty without a bundle, as the next
    std::string measured = {};     ///< the bundle's database
};

}  // namespace kvstone
