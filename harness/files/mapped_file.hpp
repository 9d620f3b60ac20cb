#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace kvstone {

/// A file's bytes, mapped read-only and privately; they stay as long as `bytes` or a pointer aliasing it.
struct MappedFile {
    std::shared_ptr<std::byte const> bytes;  ///< null where the file is empty
    std::size_t size = 0;

    std::span<std::byte const> span() const { return {bytes.get(), size}; }
    /// A pointer into the file that keeps the mapping. Requires offset <= size.
    std::shared_ptr<std::byte const> at(std::size_t offset) const { return {bytes, bytes.get() + offset}; }
};

/// Throws SystemError where the file cannot be opened, is no regular file, or cannot be mapped.
MappedFile map_file(std::string const& path);

}  // namespace kvstone
