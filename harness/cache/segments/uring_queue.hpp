#pragma once

#include <memory>

#include "harness/cache/segments/read_queue.hpp"

namespace kvstone {

/// Reads through io_uring. Null, with a negative error, where the kernel or a sandbox refuses it; -ENOSYS where KVstone
/// was built without liburing.
std::unique_ptr<ReadQueue> make_uring_queue(unsigned depth, int& error);

}  // namespace kvstone
