#pragma once
// A folder that lives as long as a test.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace kvstone {

class ScratchFolder {
  public:
    ScratchFolder() {
        auto pattern = (std::filesystem::temp_directory_path() / "kvstone_test_XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
        path_ = pattern;
    }
    /// Removes it, whatever the test did to its permissions.
    ~ScratchFolder() {
        if (path_.empty()) return;  // moved on
        std::error_code ignored;
        std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    ScratchFolder& operator=(ScratchFolder&&) = delete;

    std::string const& path() const { return path_; }
    /// The path of a file in it.
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }
    /// Writes a file, and the folders it lies in; returns its path.
    std::string write(std::string const& name, std::string const& content) const {
        auto const file = *this / name;
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file, std::ios::binary) << content;
        return file;
    }

  private:
    std::string path_;
};

}  // namespace kvstone
