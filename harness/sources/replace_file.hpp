#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

/// Writes `parts`, one after the other, into a temporary file beside `path`, syncs it and renames it to `path`: readers
/// see the old file or the whole new one. Throws SystemError, and then leaves nothing behind.
void replace_file(std::string const& path, std::vector<std::span<std::byte const>> const& parts);

}  // namespace kvstone
