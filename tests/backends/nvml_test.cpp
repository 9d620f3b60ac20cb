// Energy of devices, told by a management library of the test's own.

#include "backends/nvml.hpp"

#include <gmock/gmock.h>

#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string library() { return programs_folder() + "/libraries/nvml.so"; }

TEST(NvmlTest, ADeviceIsFoundByItsPlaceAndCountsMicrojoules) {
    auto const found = nvml_counter("0000:19:00.0", library());
    ASSERT_EQ(found.all.size(), 1U) << found.problem;
    auto const& counter = found.all[0];
    EXPECT_EQ(counter.domain, "Made-up H200");
    auto const first = counter.read_uj().value();
    EXPECT_EQ(counter.read_uj().value() - first, 3000U);
    EXPECT_GE(first, 5'000'000U) << "5 J at the first question";
    EXPECT_EQ(counter.range_uj, UINT64_MAX);
}

TEST(NvmlTest, WhatIsNotThereHasAReason) {
    EXPECT_EQ(nvml_counter("0000:3b:00.0", library()).problem, "Made-up K80 does not tell its energy: Not Supported");
    EXPECT_EQ(nvml_counter("0000:ff:00.0", library()).problem, "NVML: Not Found");
    auto const none = nvml_counter("0000:19:00.0", "libno-such-library.so.1");
    EXPECT_THAT(none.problem, HasSubstr("libno-such-library.so.1"));
    EXPECT_THAT(none.all, IsEmpty());
    EXPECT_THAT(nvml_counter("0000:19:00.0", "libm.so.6").problem, HasSubstr("has no nvmlInit_v2"));
}

TEST(NvmlTest, AllDevicesAreListed) {
    auto const all = nvml_counters(library());
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].all.at(0).domain, "Made-up H200");
    EXPECT_THAT(all[1].problem, HasSubstr("Made-up K80"));
    EXPECT_THAT(nvml_counters("libno-such-library.so.1"), IsEmpty());
}

TEST(NvmlTest, WithoutADeviceThereIsNoPlace) {
    if (device_bus_id().empty()) {
        EXPECT_FALSE(nvml_counter("", library()).problem.empty());
    } else {
        EXPECT_THAT(device_bus_id(), HasSubstr(":"));
    }
}

}  // namespace
}  // namespace kvstone
