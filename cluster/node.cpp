#include "cluster/node.hpp"

#include <fstream>

#include <unistd.h>

namespace kvstone {

std::string node_name() {
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    std::string name = host;
    for (char const* file : {"/proc/sys/kernel/random/boot_id", "/etc/machine-id"}) {
        std::ifstream in(file);
        std::string id;
        if (in >> id) return name + "/" + id;
    }
    return name;
}

}  // namespace kvstone
