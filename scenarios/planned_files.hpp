#pragma once
// The files that a cell names, held against what they were when the cell was planned.

#include <string>
#include <utility>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/hash_cache.hpp"

namespace kvstone {

/// Whoever opens a cell's files makes one of these before, and asks it again when the files have been read: the path may
/// by then lead to another file than when the scenario was planned, or, on another node, always have led to one.
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
