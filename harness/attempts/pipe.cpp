#include "harness/attempts/pipe.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "scenarios/errors.hpp"

namespace kvstone {

Pipe::Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw SystemError("cannot make a pipe", errno);
    read.reset(fcntl(ends[0], F_DUPFD_CLOEXEC, 10));
    write.reset(fcntl(ends[1], F_DUPFD_CLOEXEC, 10));
    close(ends[0]);
    close(ends[1]);
    if (!read.is_open() || !write.is_open()) throw SystemError("cannot make a pipe", errno);
}

}  // namespace kvstone
