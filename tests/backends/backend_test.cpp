#include "backends/backend.hpp"

#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

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

// On a device, too, where there is one.
TEST(Buffer, OfEveryBackendTakesBytesAndGivesThemBack) {
    std::vector<std::byte> sent(100'000);
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 7 % 251);
    for (auto const& name : advertised_backends()) {
        auto const kind = backend_named(name);
        Buffer const buffer(kind, sent.size());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0U) << name;
        copy_to_backend(kind, buffer.data(), sent.data(), sent.size());
        std::vector<std::byte> back(sent.size());
        copy_to_host(kind, back.data(), buffer.data(), back.size());
        EXPECT_EQ(back, sent) << name;
#ifndef __SANITIZE_ADDRESS__  // which ends a program that asks for so much
        EXPECT_THROW(Buffer(kind, std::size_t{1} << 60), std::bad_alloc) << name;
        EXPECT_EQ(Buffer(kind, 1000).size(), 1000U) << name << ": one refusal is no reason for another";
#endif
    }
}

TEST(Buffer, StagingIsHostMemoryAndIsCountedAsThat) {
    for (auto const& name : advertised_backends()) {
        auto const before = memory_in_use(BackendKind::openmp);
        auto buffer = Buffer::staging(backend_named(name));
        EXPECT_EQ(buffer.kind(), BackendKind::openmp);
        buffer.reserve_discard(5000);
        buffer.reserve_discard(100'000);
        EXPECT_EQ(memory_in_use(BackendKind::openmp), before + 100'000) << name;
        std::memset(buffer.data(), 1, buffer.size());
        auto const moved = std::move(buffer);
        EXPECT_EQ(moved.data()[99'999], std::byte{1});
    }
}

TEST(Memory, ErrorsThatSayItWasShortAreKnown) {
    EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
    EXPECT_TRUE(
        is_out_of_memory(std::runtime_error("cudaMalloc(&p, n) error( cudaErrorMemoryAllocation): out of memory")));
    EXPECT_TRUE(is_out_of_memory(
        std::runtime_error("Kokkos ERROR: Cuda memory space failed to allocate 80 GiB (label=\"x\").")));
    EXPECT_FALSE(is_out_of_memory(std::runtime_error("cudaErrorIllegalAddress")));
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
