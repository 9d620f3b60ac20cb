#pragma once

#include "results/record/file_descriptor.hpp"

namespace kvstone {

/// A pipe whose ends are closed in programs that this process starts, and lie clear of the descriptors 0 to 9, which
/// children rearrange. Throws SystemError.
struct Pipe {
    FileDescriptor read, write;
    Pipe();
};

}  // namespace kvstone
