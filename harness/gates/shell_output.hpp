#pragma once

#include <string>

namespace kvstone {

struct ShellOutput {
    int status = 0;    ///< as waitpid() gives it: 0 where the command succeeded
    std::string text;  ///< standard output, without line ends at its end
};

/// Runs a command of a POSIX shell. Standard error is the caller's. Throws SystemError where no shell starts.
ShellOutput shell_output(std::string const& command);

}  // namespace kvstone
