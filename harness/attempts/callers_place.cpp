#include "harness/attempts/callers_place.hpp"

#include <vector>

#include <omp.h>
#include <sched.h>

namespace kvstone {

void leave_the_callers_place() {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int place = 0; place < omp_get_num_places(); ++place) {
        std::vector<int> processors(static_cast<std::size_t>(omp_get_place_num_procs(place)));
        omp_get_place_proc_ids(place, processors.data());
        for (auto const processor : processors) CPU_SET(processor, &all);
    }
    if (CPU_COUNT(&all) > 0) sched_setaffinity(0, sizeof all, &all);
}

}  // namespace kvstone
