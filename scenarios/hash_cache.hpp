#pragma once
// Digests of large files, remembered so that a model of 40 GB is not read whole every night.

#include <cstdint>
#include <optional>
#include <string>

struct stat;

namespace kvstone {

/// The facts that show whether a file has changed since it was read.
struct FileStamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size_bytes = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;  ///< of the inode: also moves when a user sets the modification time back
    bool operator==(FileStamp const&) const = default;
};
FileStamp stamp_of(struct stat const& status);
/// The stamp of the file at a path; nothing where there is none.
std::optional<FileStamp> stamp_of(std::string const& path);

/// One file per digest in a folder, put in place by a rename, with the stamp of the hashed file and a checksum: a
/// reader finds a whole entry or none, and ignores an altered one. Never throws: without the cache, files are read.
class HashCache {
  public:
    /// $XDG_CACHE_HOME/kvstone/hashes, or below $HOME/.cache; no cache where neither is set.
    HashCache();
    explicit HashCache(std::string folder) : folder_(std::move(folder)) {}

    std::optional<std::string> find(FileStamp const& stamp) const;
    /// Does not store a file that was changed in the last two seconds: a later change could carry the same stamp.
    void store(FileStamp const& stamp, std::string const& digest) const;

  private:
    std::string entry_path(FileStamp const& stamp) const;

    std::string folder_;
};

}  // namespace kvstone
