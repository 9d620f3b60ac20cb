#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "harness/files/zip_reader.hpp"

namespace kvstone {

/// Limits for the unpacked content of an archive.
struct UnpackLimits {
    std::uint64_t bytes = std::uint64_t{16} << 30;
    std::size_t members = 100'000;
};

/// Creates `folder` and writes every member of an untrusted archive below it. All names and sizes are checked first:
/// throws CorruptData, and writes nothing, where a name leads outside ("/x", "../x"), where two names exclude each
/// other, where a member is a link or another special file, or where all members together exceed the limits. Content
/// with a wrong checksum is found later: CorruptData, and the files written so far stay. SystemError where a file
/// cannot be written.
void unpack(ZipReader const& archive, std::string const& folder, UnpackLimits const& limits = {});

}  // namespace kvstone
