#include "harness/cli/ranks.hpp"

#include "cluster/worker_pool.hpp"
#include "harness/cli/cli.hpp"

namespace kvstone {
namespace {

constexpr double goodbye_s = 1;

/// Whether every other rank said goodbye.
bool dismissed(Transport& world) {
    if (world.rank() != 0) return false;
    try {
        WorkerPool pool(world);
        return pool.dismiss(goodbye_s, goodbye_s).empty();
    } catch (std::exception const&) {
        return false;
    }
}

}  // namespace

ExitCode among_ranks(Transport& world, std::function<ExitCode(bool& met)> const& part) {
    bool met = false, failed = false;
    auto const code = told([&] {
        try {
            return part(met);
        } catch (...) {
            failed = true;
            throw;
        }
    });
    // Ranks that are not there cannot be left together: a rank that ends without having left ends the job.
    if (!failed || met || world.size() == 1 || dismissed(world)) world.leave(code);
    return code;
}

}  // namespace kvstone
