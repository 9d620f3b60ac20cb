#include "harness/workload.hpp"

#include "harness/workloads/append.hpp"
#include "harness/workloads/cycles.hpp"
#include "harness/workloads/roundtrip.hpp"

namespace kvstone {

std::vector<Workload> const& workloads() {
    static std::vector<Workload> const all{
        {"roundtrip", "encode and decode K and V as whole tensors: bytes, tensor error, speed", run_roundtrip},
        {"cycles", "encode and decode ten times in a row: what repeated compression adds to the error", run_cycles},
        {"append", "serving's shape: one token a step to each sequence of a batch, pages read back", run_append}};
    return all;
}

}  // namespace kvstone
