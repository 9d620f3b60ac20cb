#pragma once
// A whole world in one process: rank 0 on the caller's thread, every other rank serving on its own.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/dispatcher.hpp"
#include "cluster/in_process.hpp"
#include "tests/cluster/fake_work.hpp"

namespace kvstone {

/// A rank's part: its offer and its measuring function, which gets the rank.
struct LocalCluster {
    using Measure = std::function<Measurement(int rank, WorkItem const&)>;

    explicit LocalCluster(int ranks) : size(ranks), world(ranks, [this](int code) { aborted = code; }) {
        for (int rank = 0; rank < ranks; ++rank) workers[rank] = fake_worker();
    }

    Outcome run(std::vector<WorkItem> items, DispatchOptions options = {}) {
        for (auto const& item : items) numbers[item.cell.id] = number_of(item);
        std::vector<std::thread> threads;
        for (int rank = 1; rank < size; ++rank) {
            threads.emplace_back([this, rank] {
                try {
                    auto const transport = world.transport(rank);
                    before_serving(rank);
                    serve(*transport, workers.at(rank), [&](WorkItem const& item) { return measure(rank, item); });
                } catch (SystemError const&) {
                    // This rank was lost, or rank 0 was.
                }
            });
        }
        std::optional<Outcome> outcome;
        std::exception_ptr failure;
        try {
            auto const transport = world.transport(0);
            Coordinator coordinator(
                *transport, workers.at(0), [this](WorkItem const& item) { return measure(0, item); }, options);
            outcome = coordinator.run(std::move(items), callbacks);
        } catch (...) {
            failure = std::current_exception();
        }
        for (auto& thread : threads) thread.join();
        if (failure) std::rethrow_exception(failure);
        return *outcome;
    }

    void collect(std::vector<Measurement> const& measurements) {
        for (auto const& measurement : measurements) {
            int const number = numbers.at(measurement.cell_id);
            if (!results.emplace(number, measurement).second) twice.push_back(number);
        }
    }

    int size;
    std::map<int, WorkerInfo> workers;
    Measure measure = [](int, WorkItem const& item) { return fake_measurement(item); };
    std::function<void(int rank)> before_serving = [](int) {};
    std::map<std::string, int> numbers;  ///< by cell id
    std::map<int, Measurement> results;  ///< by number
    std::vector<int> twice;              ///< numbers of items reported again
    std::vector<std::string> notices;
    std::atomic<int> aborted = 0;
    Callbacks callbacks{.results = [this](std::vector<Measurement> const& measurements) { collect(measurements); },
                        .progress = {},
                        .notice = [this](std::string const& text) { notices.push_back(text); }};
    InProcessWorld world;
};

}  // namespace kvstone
