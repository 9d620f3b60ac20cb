#include "harness/cache/two_stages.hpp"

#include <exception>
#include <thread>

#include "harness/attempts/callers_place.hpp"

namespace kvstone {
namespace {

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
