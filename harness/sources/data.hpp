#pragma once
// Files that `./dev data` fetches: the list of them (data.txt), and what of it this machine has.

#include <cstdint>
#include <string>
#include <vector>

namespace kvstone {

/// A row of the list.
struct FetchableFile {
    std::string name;  ///< what scenarios, the command line and ./dev data call it
    std::string package;
    std::string version;
    std::string member;  ///< of the package's wheel
    std::string sha256;
    std::uint64_t bytes = 0;
    std::string licence;
    std::string path;  ///< where ./dev data puts it, in data/ of the cache folder; it need not be there
    bool is_model() const { return member.ends_with(".gguf"); }
};

/// The whole list, in its order; empty where it does not ship with this build. Throws SystemError "FILE:LINE: ..." where a
/// row is none.
std::vector<FetchableFile> fetchable_files();

/// Why the file cannot be used, with the command that mends it; empty where it is there and is the list's.
std::string problem_of(FetchableFile const& file);

/// Path of the model that `./dev data NAME` fetches; empty where the list has no such model. Throws ConfigError (without
/// place) with the problem where it has one.
std::string fetched_model(std::string const& name);

/// Names of models that may stand where a GGUF file is asked for: "tiny", and those of the list.
std::vector<std::string> model_names();

}  // namespace kvstone
