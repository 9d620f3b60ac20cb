#pragma once
// Proof that the files of a cell are the files for which it was planned.

#include <string>
#include <utility>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/hash_cache.hpp"

namespace kvstone {

/// Made before a cell's files are opened, and asked again after they were read: since the scenario was planned, the
/// path may lead to another file; on another node it may always have done so.
class PlannedFiles {
  public:
    /// Throws SystemError "PATH: no longer the file that was planned: ..." where a file that the cell's source or options
    /// name has another named_hash() than the cell, or cannot be read. Files whose digest is remembered are not read.
    explicit PlannedFiles(Cell const& cell);
    /// Throws the same where one of them was replaced or changed since.
    void check_again() const;

  private:
    struct Planned {
        std::string path;
        std::string sha256;
        std::vector<std::pair<std::string, FileStamp>> stamps;  ///< of every file behind the path
    };
    std::vector<Planned> files_;
};

}  // namespace kvstone
