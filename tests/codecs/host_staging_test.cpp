// Host-only stages on other backends: their input is a copy, and their output comes back.

#include "codecs/host_staging.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/codecs/count_allocations.hpp"

namespace kvstone {
namespace {

constexpr auto kind = BackendKind::openmp;

struct Memory {
    explicit Memory(std::size_t size, int fill) : bytes(size, std::byte(fill)) {}
    Plane plane() { return {bytes.data(), bytes.size()}; }
    ConstPlane read() const { return {bytes.data(), bytes.size()}; }
    std::vector<std::byte> bytes;
};

bool filled(std::byte const* data, std::size_t bytes, int value) {
    for (std::size_t i = 0; i < bytes; ++i)
        if (data[i] != std::byte(value)) return false;
    return true;
}

TEST(HostStaging, EncodesCopiesAndBringsBackWhatWasWritten) {
    HostStaging staging;
    Memory const input(1000, 7);
    Memory first(300, 1);
    Memory second(500, 2);
    Plane planes[] = {first.plane(), second.plane()};
    staging.encode(kind, input.read(), planes, 64, [&](ConstPlane from, Planes to, Workspace workspace) {
        EXPECT_NE(from.data, input.bytes.data());
        EXPECT_NE(to[1].data, second.bytes.data());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(workspace) % 256, 0U);
        ASSERT_EQ(from.bytes, 1000U);
        EXPECT_TRUE(filled(from.data, 1000, 7));
        ASSERT_EQ(to.size(), 2U);
        // Everything that may be written is: places that overlapped would show below.
        std::memset(to[0].data, 3, to[0].bytes);
        std::memset(to[1].data, 4, to[1].bytes);
        std::memset(workspace, 5, 64);
        EXPECT_TRUE(filled(from.data, 1000, 7));
        to[1].bytes = 10;
    });
    EXPECT_EQ(planes[0].bytes, 300U);
    EXPECT_EQ(planes[1].bytes, 10U);
    EXPECT_TRUE(filled(first.bytes.data(), 300, 3));
    EXPECT_TRUE(filled(second.bytes.data(), 10, 4));
    EXPECT_TRUE(filled(second.bytes.data() + 10, 490, 2));
}

TEST(HostStaging, DecodesCopiesAndBringsBackTheInput) {
    HostStaging staging;
    Memory const first(300, 1);
    Memory const second(500, 2);
    Memory target(1000, 9);
    ConstPlane const planes[] = {first.read(), second.read()};
    auto input = target.plane();
    staging.decode(kind, planes, input, 64, [&](ConstPlanes from, Plane& to, Workspace workspace) {
        EXPECT_NE(to.data, target.bytes.data());
        ASSERT_EQ(to.bytes, 1000U);
        std::memset(to.data, 3, to.bytes);
        std::memset(workspace, 5, 64);
        ASSERT_EQ(from.size(), 2U);
        EXPECT_TRUE(filled(from[0].data, 300, 1));
        EXPECT_TRUE(filled(from[1].data, 500, 2));
        to.bytes = 999;
    });
    EXPECT_EQ(input.bytes, 999U);
    EXPECT_TRUE(filled(target.bytes.data(), 999, 3));
    EXPECT_EQ(target.bytes[999], std::byte{9});
}

TEST(HostStaging, ASizeBeyondThePlaneIsHandedOnButNotCopied) {
    HostStaging staging;
    Memory target(100, 9);
    auto input = target.plane();
    input.bytes = 50;
    staging.decode(kind, {}, input, 0, [](ConstPlanes, Plane& to, Workspace) {
        std::memset(to.data, 3, to.bytes);
        to.bytes = 100;
    });
    EXPECT_EQ(input.bytes, 100U);
    EXPECT_TRUE(filled(target.bytes.data() + 50, 50, 9));
}

TEST(HostStaging, AllocatesNothingForPlanesNoLargerThanBefore) {
    HostStaging staging;
    Memory memory(4000, 7);
    // As many as make a list of them large enough to be counted.
    std::vector<Plane> planes(16, Plane{memory.bytes.data(), 100});
    std::vector<ConstPlane> const read(16, ConstPlane{memory.bytes.data(), 100});
    std::byte const* place = nullptr;
    auto const round_trip = [&](std::size_t bytes) {
        staging.encode(kind, {memory.bytes.data(), bytes}, planes, 1000,
                       [&](ConstPlane from, Planes, Workspace) { place = from.data; });
        Plane input{memory.bytes.data(), bytes};
        staging.decode(kind, read, input, 1000, [](ConstPlanes, Plane&, Workspace) {});
    };
    round_trip(4000);
    auto const* const before = place;
    auto const allocations = allocation_count();
    round_trip(3000);
    EXPECT_EQ(allocation_count(), allocations);
    EXPECT_EQ(place, before);
}

}  // namespace
}  // namespace kvstone
