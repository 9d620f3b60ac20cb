#pragma once
// One writer per database.

#include <string>

#include "results/record/file_descriptor.hpp"

namespace kvstone {

/// Holds FILE.lock beside a database for as long as it lives. The kernel releases it when the process ends in any way,
/// so the file of a killed process is no obstacle.
class WriterLock {
  public:
    /// Throws ConfigError where another process (or another Store of this one) holds it, naming its process id, where
    /// the folder cannot be written, or where its file system has no flock.
    explicit WriterLock(std::string const& database);
    ~WriterLock();
    WriterLock(WriterLock const&) = delete;
    WriterLock& operator=(WriterLock const&) = delete;

  private:
    std::string path_;
    FileDescriptor file_;
};

}  // namespace kvstone
