#include "harness/cache/eviction_policy.hpp"

#include <stdexcept>

namespace kvstone {

std::vector<std::string> const& policy_names() {
    static std::vector<std::string> const names{"lru", "fifo", "lfu", "s3fifo", "arc", "2q", "belady"};
    return names;
}

std::unique_ptr<EvictionPolicy> make_policy(std::string const& name, std::uint64_t capacity) {
    if (name == "lru") return make_lru();
    if (name == "fifo") return make_fifo();
    if (name == "lfu") return make_lfu();
    if (name == "s3fifo") return make_s3_fifo(capacity);
    if (name == "arc") return make_arc(capacity);
    if (name == "2q") return make_two_queues(capacity);
    if (name == "belady") return make_belady();
    throw std::logic_error("no policy is called " + name);
}

}  // namespace kvstone
