#pragma once
// The build of this binary; stored with every campaign.

#include <string>
#include <string_view>

namespace kvstone {

struct Build {
    std::string version;  ///< "0.1.0"
    std::string git_sha;  ///< 40 digits, "-dirty" behind it where a compiled file had changes; "unknown" without git
    std::string source_hash;         ///< 16 hexadecimal digits over every compiled file, independent of the tree's path
    std::string build_type;          ///< "Release"
    std::string compiler;            ///< "GNU 16.2.0"
    std::string flags;               ///< of the compiler, and of the linker where there are any
    std::string processor;           ///< instruction sets of the compiler beyond the baseline: "avx2 fma"
    std::string toolchain;           ///< 16 hexadecimal digits: hash of toolchain_packages
    std::string toolchain_packages;  ///< one "name version" a line
    bool has_mpi = false;
    bool has_llama = false;
    bool has_cuda = false;
};

Build const& this_build();

/// A build's name for people: 12 digits of its commit; where the commit does not tell what was compiled, also "-dirty"
/// (or "unknown") and 8 digits of source_hash: "0123456789ab-dirty-89abcdef".
std::string build_name(std::string const& git_sha, std::string const& source_hash);
/// The same as SQL; `build` is the name of a row of the table `build`.
std::string build_name_sql(std::string_view build);
/// The same as SQL for a campaign; `uid` is SQL for its id.
std::string campaign_build_sql(std::string_view uid);

}  // namespace kvstone
