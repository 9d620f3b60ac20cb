#include "results/record/locking.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace kvstone {

bool lacks_locks(int error) { return error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK; }

std::string lock_error_text(int error, std::string const& path) {
    auto const text = fmt::format("cannot lock {}: {}", path, std::strerror(error));
    if (!lacks_locks(error)) return text;
    return text +
           ". Its file system has no file locks: mount it with -o flock (Lustre; NFS: without nolock), take another "
           "folder, or see to it that one program at a time writes there and say --lock none";
}

}  // namespace kvstone
