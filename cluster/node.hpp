#pragma once
// Name of this machine, for the rule that two timing cells never run on one node at once.

#include <string>

namespace kvstone {

/// "HOSTNAME/BOOT_ID" (the machine id where the kernel tells no boot id): equal for all ranks of one node, different
/// across nodes even where an installation image gave them all one host name.
std::string node_name();

}  // namespace kvstone
