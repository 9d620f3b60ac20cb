#include "harness/cache/two_stages.hpp"

#include <exception>
#include <thread>
#include <vector>

#include <omp.h>
#include <sched.h>

namespace kvstone {
namespace {

/// OpenMP binds the thread that calls it to a place, and threads inherit that: any place will do.
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

/// The exception of `work`; `done` is called in any case.
std::exception_ptr error_of(std::function<void()> const& work, std::function<void()> const& done) {
    std::exception_ptr error;
    try {
        work();
    } catch (...) {
        error = std::current_exception();
    }
    done();
    return error;
}

}  // namespace

void run_beside(std::function<void()> const& beside, std::function<void()> const& here,
                std::function<void()> const& stop_beside, std::function<void()> const& stop_here) {
    std::exception_ptr error_beside;
    std::thread thread([&] {
        leave_the_callers_place();
        error_beside = error_of(beside, stop_here);
    });
    auto const error_here = error_of(here, stop_beside);
    thread.join();
    if (error_here) std::rethrow_exception(error_here);
    if (error_beside) std::rethrow_exception(error_beside);
}

}  // namespace kvstone
