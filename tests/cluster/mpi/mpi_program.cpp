// mpirun -n N test_cluster_mpi MODE [ITEMS]: exit code 0 where the dispatcher kept its promises over N ranks.
//   complete   every item is reported once, with its own figure
//   failing    an exception on rank 0 dismisses the other ranks and comes out of the run: exit code 4
//   lost       rank 2 kills itself; needs mpirun --with-ft ulfm
//   rate       items per second with an empty measurement
//   slow       the same with half a second an item: how much processor time waiting takes

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <set>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "cluster/node.hpp"
#include "cluster/world.hpp"
#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

int fail(std::string const& text) {
    std::fprintf(stderr, "FAILED: %s\n", text.c_str());
    return 1;
}

int check_complete(Coordinator& coordinator, int count) {
    std::set<std::string> expected;
    auto items = fake_items(count, true);
    for (auto const& item : items) expected.insert(item.cell.id);
    std::set<std::string> seen;
    std::set<double> figures;
    Callbacks const callbacks{.results =
                                  [&](std::vector<Measurement> const& some) {
                                      for (auto const& measurement : some) {
                                          if (!seen.insert(measurement.cell_id).second)
                                              throw SystemError("reported twice");
                                          figures.insert(measurement.figures.at(0).value.value());
                                      }
                                  },
                              .progress = {},
                              .notice = [](std::string const& text) { std::fprintf(stderr, "%s\n", text.c_str()); }};
    auto const outcome = coordinator.run(std::move(items), callbacks);
    if (outcome.ok != static_cast<std::size_t>(count)) return fail(fmt::format("{} of {}", outcome.ok, count));
    if (seen != expected) return fail("other cells than those dealt");
    if (figures.size() != expected.size()) return fail("figures of other items");
    return 0;
}

int report_rate(Coordinator& coordinator, int count) {
    auto const started = std::chrono::steady_clock::now();
    auto const processor_before = std::clock();
    auto const outcome = coordinator.run(fake_items(count), {.results = [](std::vector<Measurement> const&) {}});
    double const elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    double const processor_s = static_cast<double>(std::clock() - processor_before) / CLOCKS_PER_SEC;
    std::printf("%.0f items per second, processor time of rank 0: %.0f%%\n",
                static_cast<double>(outcome.ok) / elapsed_s, 100 * processor_s / elapsed_s);
    return 0;
}

int take_part(Transport& world, std::string const& mode, int count) {
    int const rank = world.rank();
    int measured = 0;
    MeasureFunction const measure = [&](WorkItem const& item) {
        if (mode == "lost" && rank == 2 && ++measured == 3) std::raise(SIGKILL);
        if (mode == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(500));
        return fake_measurement(item);
    };
    WorkerInfo const self = fake_worker(node_name());
    if (rank != 0) {
        serve(world, self, measure);
        return 0;
    }
    Coordinator coordinator(world, self, measure);
    if (mode == "rate" || mode == "slow") return report_rate(coordinator, count);
    if (mode == "failing") {
        coordinator.run(fake_items(count),
                        {.results = [](std::vector<Measurement> const&) { throw SystemError("disk full"); }});
        return fail("the exception was lost");
    }
    return check_complete(coordinator, count);
}

int run(std::string const& mode, int count) {
    auto const world = open_world();
    int const code = take_part(*world, mode, count);
    world->leave(code);
    return code;
}

}  // namespace
}  // namespace kvstone

int main(int argc, char** argv) {
    auto const started = std::chrono::steady_clock::now();
    try {
        std::string const mode = argc > 1 ? argv[1] : "complete";
        return kvstone::run(mode, argc > 2 ? std::stoi(argv[2]) : 100);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "every rank has left after: %s\n", error.what());
        kvstone::outlast_launch(started);
        return 4;
    }
}
