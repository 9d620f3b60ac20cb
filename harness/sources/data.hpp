#pragma once
// Files that `./dev data` fetches: their list (data.txt), and those that this machine has.

#include <cstdint>
#include <string>
#include <vector>

namespace kvstone {

/// A row of the list.
struct FetchableFile {
    std::string name;  ///< its name in scenarios, on the command line and for ./dev data
    std::string package;
    std::string version;
    std::string member;  ///< of the package's wheel
    std::string sha256;
    std::uint64_t bytes = 0;
    std::string licence;
    std::string path;  ///< its place in data/ of the cache folder; the file need not exist
    bool is_model() const { return member.ends_with(".gguf"); }
};

/// The whole list, in its order; empty where it does not ship with this build. Throws SystemError "FILE:LINE: ..." for
/// a malformed row.
std::vector<FetchableFile> fetchable_files();

/// Why the file cannot be used, with the command that repairs it; empty where the file exists and is the listed one.
std::string problem_of(FetchableFile const& file);

/// Path of the model that `./dev data NAME` fetches; empty where the list has no such model. Throws ConfigError
/// (without place) with the problem_of() the file, if any.
std::string fetched_model(std::string const& name);

/// Names of models that a scenario may write in place of a GGUF file: "tiny", and those of the list.
std::vector<std::string> model_names();

}  // namespace kvstone
