#include "results/record/file_descriptor.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "scenarios/errors.hpp"

namespace kvstone {

void FileDescriptor::reset(int value) {
    int const error = errno;
    if (value_ >= 0) ::close(value_);
    errno = error;
    value_ = value;
}

void write_all(FileDescriptor const& file, std::span<std::byte const> bytes, std::string const& what) {
    // Linux writes at most 2 GiB a call.
    constexpr std::size_t chunk_bytes = std::size_t{1} << 30;
    while (!bytes.empty()) {
        auto const written = ::write(file.get(), bytes.data(), std::min(bytes.size(), chunk_bytes));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw SystemError(what, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

}  // namespace kvstone
