#pragma once
// The folder of captures: what lies there, what of it is in use, and how much of it may stay.
//
// An entry is one file NAME.EXTENSION beside NAME.lock. Whoever makes it holds the lock file exclusively, and puts it there
// as a whole; whoever reads it holds the entry itself shared as long as it is mapped, and marks when. Entries that nobody
// holds go, the least recently used first, when there is more than the limit.

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
    std::int64_t used_ns = 0;  ///< when last, since the epoch
};
/// Entries, the least recently used first. Empty where there is no folder; files of other kinds are passed over.
std::vector<CaptureFile> list_captures(std::string const& folder);

struct PruneReport {
    std::vector<CaptureFile> removed;
    std::vector<CaptureFile> in_use;  ///< that would have been removed
    std::uint64_t kept_bytes = 0;
};
/// Removes entries that nobody uses, the least recently used first, until the others have `limit_bytes` at most; files that
/// somebody else removes meanwhile are nobody's loss. `dry_run`: only says so.
PruneReport prune_captures(std::string const& folder, std::uint64_t limit_bytes, bool dry_run = false);

}  // namespace kvstone
