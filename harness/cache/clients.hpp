#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace kvstone {

/// Calls work(client, number) once for each number of [first, last), on `clients` threads, each of which takes the next
/// number when its last one is done; one client is this thread. After an exception `stop()` is called, every thread
/// ends after its present number, and the first exception is thrown.
template <class Work, class Stop>
void run_clients(std::size_t clients, std::uint64_t first, std::uint64_t last, Work const& work, Stop const& stop) {
    std::atomic<std::uint64_t> next = first;
    std::atomic<bool> failed = false;
    std::mutex failing;
    std::exception_ptr failure;
    auto const run = [&](std::size_t client) {
        try {
            for (auto number = next.fetch_add(1); number < last && !failed; number = next.fetch_add(1))
                work(client, number);
        } catch (...) {
            std::scoped_lock const lock(failing);
            if (!failed.exchange(true)) failure = std::current_exception();
            stop();
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t client = 1; client < clients; ++client) threads.emplace_back(run, client);
        run(0);
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace kvstone
