#pragma once
// The folder of captures: its entries, which of them are in use, and the limit of their size.
//
// An entry is one file NAME.EXTENSION beside NAME.lock. Its maker holds the lock file exclusively, and puts the entry
// in place as a whole. A reader holds a shared lock on the entry as long as it is mapped, and marks the time. When
// there are more bytes than the limit, unlocked entries are removed, the least recently used first.

#include <cstdint>
#include <string>
#include <vector>

namespace kvstone {

/// $XDG_CACHE_HOME/kvstone/captures, or below $HOME/.cache; empty where neither is set.
std::string capture_folder();
/// Bytes that entries may take together: $KVSTONE_CAPTURES_BYTES, a number of bytes, or 20 GiB. Throws ConfigError where
/// that is no number.
std::uint64_t capture_limit_bytes();

struct CaptureFile {
    std::string path;
    std::uint64_t bytes = 0;
    std::int64_t used_ns = 0;  ///< last use, since the epoch
};
/// Entries, the least recently used first. Empty where there is no folder; other files are ignored.
std::vector<CaptureFile> list_captures(std::string const& folder);

struct PruneReport {
    std::vector<CaptureFile> removed;
    std::vector<CaptureFile> in_use;  ///< entries that would have been removed
    std::uint64_t kept_bytes = 0;
};
/// Removes unused entries, the least recently used first, until the others have `limit_bytes` at most; files that
/// another process removes meanwhile are no error. `dry_run`: only reports.
PruneReport prune_captures(std::string const& folder, std::uint64_t limit_bytes, bool dry_run = false);

}  // namespace kvstone
