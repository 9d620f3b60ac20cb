#pragma once

#include <string>
#include <vector>

namespace kvstone {

/// A scenario as it is to be read; one of a bundle (NAME.zip) lies unpacked, with what it was run with.
struct ScenarioFile {
    std::string path;
    std::vector<std::string> only;
    std::vector<std::string> set;  ///< KEY=VALUE
    std::string plan_hash = {};    ///< where the bundle was made; of others empty, as the next
    std::string measured = {};     ///< the bundle's database
};

}  // namespace kvstone
