#pragma once

#include <optional>
#include <string>

#include "results/record/file_lock.hpp"

namespace kvstone {

/// A folder of this process alone, for files of a cold tier: below $KVSTONE_COLD_FOLDER, or tier/ of the cache folder;
/// this decides which disk is measured. It is removed at the end; remains of processes that have ended are removed at
/// the beginning.
class ColdScratch {
  public:
    /// Throws SystemError where no folder can be made.
    ColdScratch();
    ~ColdScratch();
    ColdScratch(ColdScratch const&) = delete;
    ColdScratch& operator=(ColdScratch const&) = delete;

    /// The path of a file in it.
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
    std::optional<FileLock> lock_;
};

}  // namespace kvstone
