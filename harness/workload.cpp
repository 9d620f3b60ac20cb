#include "harness/workload.hpp"

#include "harness/workloads/roundtrip.hpp"

namespace kvstone {

std::vector<Workload> const& workloads() {
    static std::vector<Workload> const all{
        {"roundtrip", "encode and decode K and V as whole tensors: bytes, tensor error, speed", run_roundtrip}};
    return all;
}

}  // namespace kvstone
