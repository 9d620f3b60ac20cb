#include "harness/files/mapped_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "results/record/file_descriptor.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

MappedFile map_file(std::string const& path) {
    FileDescriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) throw SystemError(path, errno);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) throw SystemError(path, errno);
    if (!S_ISREG(status.st_mode)) throw SystemError(path + ": not a regular file");
    auto const size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return {};
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) throw SystemError(path, errno);
    return {std::shared_ptr<std::byte const>(static_cast<std::byte const*>(address),
                                             [address, size](std::byte const*) { ::munmap(address, size); }),
            size};
}

}  // namespace kvstone
