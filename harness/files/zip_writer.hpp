#pragma once

#include <string>

struct zip;  // libzip's archive

namespace kvstone {

/// A new zip archive. The file appears with close(), and not at all where that fails.
class ZipWriter {
  public:
    /// Throws ConfigError where a file of this name exists, SystemError where it cannot be written.
    explicit ZipWriter(std::string const& path);
    ~ZipWriter();
    ZipWriter(ZipWriter const&) = delete;
    ZipWriter& operator=(ZipWriter const&) = delete;

    void add_text(std::string const& name, std::string const& text);
    /// The file must stay as it is until close().
    void add_file(std::string const& name, std::string const& path);
    void close();

  private:
    [[noreturn]] void fail() const;

    std::string path_;
    zip* archive_ = nullptr;
};

}  // namespace kvstone
