#pragma once
// What this binary is made of; stored with every campaign.

#include <string>

namespace kvstone {

struct Build {
    std::string version;     ///< "0.1.0"
    std::string git_sha;     ///< 40 digits, "-dirty" behind it where the tree had changes; "unknown" without git
    std::string build_type;  ///< "Release"
    std::string compiler;    ///< "GNU 16.2.0"
    std::string flags;
    std::string toolchain;           ///< 16 hexadecimal digits: hash of toolchain_packages
    std::string toolchain_packages;  ///< one "name version" a line
    bool has_mpi = false;
    bool has_llama = false;
    bool has_cuda = false;
};

Build const& this_build();

}  // namespace kvstone
