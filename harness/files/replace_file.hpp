#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

/// Writes `parts`, one after the other, into a temporary file beside `path`, syncs it and renames it to `path`: readers
/// see the old file or the whole new one. Throws SystemError, also where `path` is a folder or a device, and then leaves
/// nothing behind.
void replace_file(std::string const& path, std::vector<std::span<std::byte const>> const& parts);

/// Takes the next bytes of a file that is being written.
using FileSink = std::function<void(std::span<std::byte const>)>;
/// The same for bytes that `write` passes on one after the other. After an exception of `write`, the old file is
/// unchanged.
void replace_file(std::string const& path, std::function<void(FileSink const&)> const& write);

}  // namespace kvstone
