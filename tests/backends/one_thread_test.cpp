#include "backends/one_thread.hpp"

#include <type_traits>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "backends/spaces.hpp"

namespace kvstone {
namespace {

int threads() {
    return with_space(BackendKind::openmp, [](auto const& space) { return static_cast<int>(space.concurrency()); });
}

TEST(OneThread, RunsWhatItsScopeRuns) {
    int const all = Kokkos::OpenMP{}.concurrency();
    EXPECT_EQ(threads(), all);
    OneThread const one;
    {
        OneThread::Scope const scope(&one);
        EXPECT_EQ(threads(), 1);
        OneThread::Scope const nothing(nullptr);
        EXPECT_EQ(threads(), 1) << "null changes nothing";
        std::vector<int> by(1000, -1);
        with_space(BackendKind::openmp, [&](auto const& space) {
            // Where there is a device, this is compiled for its space, too.
            if constexpr (std::is_same_v<std::decay_t<decltype(space)>, Kokkos::OpenMP>) {
                auto* const data = by.data();
                Kokkos::parallel_for("who", Kokkos::RangePolicy<Kokkos::OpenMP>(space, 0, 1000),
                                     [=](int i) { data[i] = omp_get_num_threads(); });
            }
        });
        EXPECT_EQ(by, std::vector<int>(1000, 1));
    }
    EXPECT_EQ(threads(), all);
}

}  // namespace
}  // namespace kvstone
