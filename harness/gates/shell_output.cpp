#include "harness/gates/shell_output.hpp"

#include <cerrno>
#include <cstdio>

#include <sys/wait.h>

#include "scenarios/errors.hpp"

namespace kvstone {

ShellOutput shell_output(std::string const& command) {
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) throw SystemError("cannot start a shell", errno);
    ShellOutput output;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) output.text += static_cast<char>(c);
    output.status = pclose(pipe);
    while (output.text.ends_with('\n')) output.text.pop_back();
    return output;
}

}  // namespace kvstone
