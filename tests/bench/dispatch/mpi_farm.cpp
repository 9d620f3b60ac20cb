#include "tests/bench/dispatch/mpi_farm.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>
#ifdef KVSTONE_BENCH_MPIEXEC
#include <mpi.h>
#endif

#include "cluster/world.hpp"
#include "tests/cluster/fake_work.hpp"

namespace kvstone {

#ifndef KVSTONE_BENCH_MPIEXEC

int start_under_mpi(char const*) {
    std::puts("no comparison with a bare MPI task farm: this build has no MPI");
    return 0;
}
int compare_with_mpi_farm() { return 2; }

#else

namespace {

constexpr int items = 5000;
constexpr int rounds = 3;

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Items per second through the dispatcher; 0 on other ranks than 0.
double dispatched_per_s(Transport& world) {
    auto const self = fake_worker("node");
    if (world.rank() != 0) {
        serve(world, self, fake_measurement);
        return 0;
    }
    Coordinator coordinator(world, self, fake_measurement);
    coordinator.run(fake_items(world.size() - 1),
                    {.results = [](std::vector<Measurement> const&) {}});  // everybody has come
    auto list = fake_items(items);
    double const started_s = now_s();
    auto const outcome = coordinator.run(std::move(list), {.results = [](std::vector<Measurement> const&) {}});
    return static_cast<double>(outcome.ok) / (now_s() - started_s);
}

/// The same number of tasks by blocking sends and receives of messages as long as the dispatcher's, unread.
double farmed_per_s(int rank, int size, std::size_t deal_bytes, std::size_t result_bytes) {
    std::vector<char> deal(deal_bytes);
    std::vector<char> result(result_bytes);
    constexpr int task_tag = 1;
    constexpr int stop_tag = 2;
    MPI_Status status;
    if (rank != 0) {
        while (true) {
            MPI_Send(result.data(), static_cast<int>(result_bytes), MPI_BYTE, 0, task_tag, MPI_COMM_WORLD);
            MPI_Recv(deal.data(), static_cast<int>(deal_bytes), MPI_BYTE, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
            if (status.MPI_TAG == stop_tag) return 0;
        }
    }
    double const started_s = now_s();
    int dealt = 0;
    for (int working = size - 1; working > 0;) {
        MPI_Recv(result.data(), static_cast<int>(result_bytes), MPI_BYTE, MPI_ANY_SOURCE, task_tag, MPI_COMM_WORLD,
                 &status);
        bool const more = dealt < items;
        if (!more) --working;
        dealt += more ? 1 : 0;
        MPI_Send(deal.data(), static_cast<int>(deal_bytes), MPI_BYTE, status.MPI_SOURCE, more ? task_tag : stop_tag,
                 MPI_COMM_WORLD);
    }
    return items / (now_s() - started_s);
}

}  // namespace

int start_under_mpi(char const* program) {
    int worst = 0;
    for (char const* btl : {"self,sm", "self,tcp"})
        for (int const ranks : {2, 3}) {
            std::printf("%s, ", btl);
            std::fflush(stdout);
            auto const command = fmt::format("'{}' --oversubscribe --mca btl {} --mca pml ob1 {} {} '{}'",
                                             KVSTONE_BENCH_MPIEXEC, btl, "-n", ranks, program);
            worst = std::max(worst, std::system(command.c_str()) == 0 ? 0 : 1);
        }
    return worst;
}

int compare_with_mpi_farm() {
    auto const world = open_world();
    auto item = fake_item(items);
    item.attempt_id.assign(32, 'a');
    auto measurement = fake_measurement(item);
    measurement.attempt_id = item.attempt_id;
    measurement.cell_id = item.cell.id;
    measurement.host = fake_worker().host;
    auto const deal_bytes = encode_message(Deal{item}).size();
    auto const result_bytes = encode_message(Result{measurement}).size();
    std::vector<double> ours;
    std::vector<double> bare;
    for (int round = 0; round < rounds; ++round) {
        ours.push_back(dispatched_per_s(*world));
        bare.push_back(farmed_per_s(world->rank(), world->size(), deal_bytes, result_bytes));
    }
    if (world->rank() != 0) return 0;
    std::sort(ours.begin(), ours.end());
    std::sort(bare.begin(), bare.end());
    std::printf("%d workers: dispatcher %.0f, bare farm of messages of %zu and %zu bytes %.0f items/s: %.2f\n",
                world->size() - 1, ours[rounds / 2], deal_bytes, result_bytes, bare[rounds / 2],
                ours[rounds / 2] / bare[rounds / 2]);
    return 0;
}

#endif

}  // namespace kvstone
