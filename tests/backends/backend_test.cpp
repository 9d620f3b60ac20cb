#include "backends/backend.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "backends/kernels/roofline.hpp"
#include "backends/kv_view.hpp"
#include "backends/timer.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

TEST(Backend, NamesThatAreUnknownAreRefusedWithTheKnownOnes) {
    try {
        backend_named("opnmp");
        FAIL();
    } catch (ConfigError const& error) {
        EXPECT_EQ(error.offending(), "opnmp");
        EXPECT_EQ(error.accepted(), known_backends());
    }
}

TEST(Backend, EveryAdvertisedNameCanBeAskedForAndTheOthersAreMissing) {
    auto const here = advertised_backends();
    for (auto const& name : known_backends()) {
        if (std::ranges::find(here, name) != here.end()) {
            EXPECT_NO_THROW(backend_named(name)) << name;
        } else {
            EXPECT_THROW(backend_named(name), SystemError) << name;
        }
    }
    EXPECT_EQ(backend_named("openmp"), BackendKind::openmp);
}

TEST(Buffer, IsAlignedCountedAndKeepsItsPlaceWhileItIsLargeEnough) {
    auto const before = memory_in_use(BackendKind::openmp);
    {
        Buffer buffer(BackendKind::openmp, 1000);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0U);
        EXPECT_EQ(memory_in_use(BackendKind::openmp), before + 1000);
        auto* const place = buffer.data();
        buffer.reserve_discard(10);
        EXPECT_EQ(buffer.data(), place);
        buffer.reserve_discard(std::size_t{20} << 20);
        EXPECT_EQ(memory_in_use(BackendKind::openmp), before + (std::size_t{20} << 20));
        std::memset(buffer.data(), 1, buffer.size());
        Buffer const moved = std::move(buffer);
        EXPECT_EQ(memory_in_use(BackendKind::openmp), before + (std::size_t{20} << 20));
    }
    EXPECT_EQ(memory_in_use(BackendKind::openmp), before);
    EXPECT_GE(memory_peak(BackendKind::openmp), before + (std::size_t{20} << 20));
}

TEST(Buffer, EmptyOnesHoldNoMemory) {
    Buffer const buffer(BackendKind::openmp);
    EXPECT_EQ(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), 0U);
}

TEST(KvView, BoxStartsAtItsCorner) {
    float values[2 * 3 * 4 * 5] = {};
    KvShape const shape{2, 3, 4, 5};
    KvView const view{values, ElementType::f32, shape, KvStrides::packed(shape)};
    auto const box = view.box(1, 2, 3, {1, 1, 1, 5});
    EXPECT_EQ(box.data, &values[((1 * 3 + 2) * 4 + 3) * 5]);
    EXPECT_EQ(box.strides, view.strides);
}

TEST(Roofline, EveryRateIsMeasured) {
    auto const roofline = measure_roofline(BackendKind::openmp, std::size_t{1} << 20, 3);
    EXPECT_GT(roofline.copy_gb_per_s, 0);
    EXPECT_GT(roofline.read_gb_per_s, 0);
    EXPECT_GT(roofline.write_gb_per_s, 0);
    EXPECT_EQ(roofline.passes, 3);
    EXPECT_GE(roofline.gb_per_s(), roofline.streaming_copy_gb_per_s);
    // Sizes below what can be shared out still give a figure.
    EXPECT_GT(measure_roofline(BackendKind::openmp, 1, 1).gb_per_s(), 0);
}

TEST(Timer, TimesTheWork) {
    EXPECT_GT(fenced_ns(BackendKind::openmp, [] { measure_roofline(BackendKind::openmp, 1, 1); }), 0);
}

}  // namespace
}  // namespace kvstone
