#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "harness/files/zip_reader.hpp"

namespace kvstone {

/// What an archive may hold altogether, unpacked.
struct UnpackLimits {
    std::uint64_t bytes = std::uint64_t{16} << 30;
    std::size_t members = 100'000;
};

/// Makes `folder` and writes every member of an archive below it, whoever wrote that archive. All names and sizes are
/// looked at first: throws CorruptData, and nothing is written, where a name leads elsewhere ("/x", "../x"), two names
/// cannot both be, a member is a link or the like, or all together exceed the limits. Content that is not
/// what its checksum says is found on the way: CorruptData, and what was written so far stays. SystemError where
/// something cannot be written.
void unpack(ZipReader const& archive, std::string const& folder, UnpackLimits const& limits = {});

}  // namespace kvstone
