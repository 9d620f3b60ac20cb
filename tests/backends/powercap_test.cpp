// Energy domains, read from made-up trees of Linux's power capping framework.

#include "backends/powercap.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PowercapTest : public testing::Test {
  protected:
    void write(std::string const& zone, std::string const& file, std::string const& text) const {
        std::filesystem::create_directories(root_ / zone);
        std::ofstream(root_ / zone / file) << text << '\n';
    }
    void zone(std::string const& folder, std::string const& name, std::uint64_t energy_uj,
              std::uint64_t range_uj = 262143328850) const {
        write(folder, "name", name);
        write(folder, "energy_uj", std::to_string(energy_uj));
        write(folder, "max_energy_range_uj", std::to_string(range_uj));
    }
    /// As a server of two sockets shows itself.
    void two_packages() const {
        zone("intel-rapl:1", "package-1", 2000);
        zone("intel-rapl:0", "package-0", 1000);
        zone("intel-rapl:0:0", "core", 600);
        zone("intel-rapl:0:1", "dram", 50, 65712999613);
        zone("intel-rapl:1:0", "dram", 70, 65712999613);
        zone("intel-rapl:2", "psys", 9000);
        zone("intel-rapl-mmio:0", "package-0", 1000);
        write("intel-rapl", "enabled", "1");
    }
    EnergyCounters counters() const { return powercap_counters(root_.string()); }

    ScratchFolder folder_;
    std::filesystem::path root_ = folder_.path();
};

std::vector<std::string> names_of(EnergyCounters const& counters) {
    std::vector<std::string> names;
    for (auto const& counter : counters.all) names.push_back(counter.domain);
    return names;
}

TEST_F(PowercapTest, PackagesAndTheirMemoryAreAddedOnce) {
    two_packages();
    auto const found = counters();
    EXPECT_THAT(names_of(found), ElementsAre("package-0", "package-0/dram", "package-1", "package-1/dram"));
    EXPECT_EQ(found.problem, "");
    std::uint64_t sum = 0;
    for (auto const& counter : found.all) sum += counter.read_uj().value();
    EXPECT_EQ(sum, 1000U + 50 + 2000 + 70) << "cores are in their package, packages in psys, and mmio shows one again";
    EXPECT_EQ(found.all[0].range_uj, 262143328850U);
    EXPECT_EQ(found.all[1].range_uj, 65712999613U);
    std::vector<std::string> all;
    for (auto const& domain : powercap_domains(root_.string())) all.push_back(domain.name);
    EXPECT_THAT(all,
                ElementsAre("package-0", "package-0/core", "package-0/dram", "package-1", "package-1/dram", "psys"));
}

TEST_F(PowercapTest, TwelveSocketsComeInTheOrderOfTheirNumbers) {
    for (int socket = 11; socket >= 0; --socket)
        zone("intel-rapl:" + std::to_string(socket), "package-" + std::to_string(socket), 1);
    auto const names = names_of(counters());
    ASSERT_EQ(names.size(), 12U);
    for (int socket = 0; socket < 12; ++socket)
        EXPECT_EQ(names[static_cast<std::size_t>(socket)], "package-" + std::to_string(socket));
}

TEST_F(PowercapTest, ACounterIsReadAnewEveryTime) {
    zone("intel-rapl:0", "package-0", 7);
    auto const found = counters();
    EXPECT_EQ(found.all.at(0).read_uj(), 7U);
    write("intel-rapl:0", "energy_uj", "18446744073709551615");
    EXPECT_EQ(found.all[0].read_uj(), UINT64_MAX);
    for (auto const* wrong : {"", "-1", "12x", " 12", "18446744073709551616"}) {
        write("intel-rapl:0", "energy_uj", wrong);
        EXPECT_EQ(found.all[0].read_uj(), std::nullopt) << wrong;
    }
    std::filesystem::remove_all(root_ / "intel-rapl:0");
    EXPECT_EQ(found.all[0].read_uj(), std::nullopt) << "the domain is gone";
}

TEST_F(PowercapTest, OneUnreadableDomainLeavesNone) {
    two_packages();
    std::filesystem::remove(root_ / "intel-rapl:1:0" / "energy_uj");
    EXPECT_THAT(counters().all, IsEmpty()) << "three of four would be another figure";
    EXPECT_THAT(counters().problem, HasSubstr("intel-rapl:1:0/energy_uj: No such file or directory"));
    two_packages();
    std::filesystem::remove(root_ / "intel-rapl:0:0" / "energy_uj");
    EXPECT_EQ(counters().all.size(), 4U) << "that of cores is not added";
    write("intel-rapl:1", "max_energy_range_uj", "0");
    EXPECT_THAT(counters().problem, HasSubstr("intel-rapl:1/max_energy_range_uj is 0"));
    two_packages();
    std::filesystem::remove(root_ / "intel-rapl:1" / "name");
    EXPECT_EQ(names_of(counters()).size(), 2U) << "what has no name is no package";
}

TEST_F(PowercapTest, WhatWouldMakeItReadableIsSaid) {
    two_packages();
    std::filesystem::permissions(root_, std::filesystem::perms(0755));
    std::filesystem::permissions(root_ / "intel-rapl:0" / "energy_uj", std::filesystem::perms(0));
    // Root reads everything: another user looks.
    constexpr uid_t nobody = 65534;
    bool const is_root = geteuid() == 0;
    ASSERT_TRUE(!is_root || seteuid(nobody) == 0);
    auto const found = counters();
    ASSERT_TRUE(!is_root || seteuid(0) == 0);
    EXPECT_THAT(found.all, IsEmpty());
    EXPECT_THAT(found.problem, HasSubstr("intel-rapl:0/energy_uj: Permission denied. Kernels let root alone read it"));
    EXPECT_THAT(found.problem, HasSubstr("chmod g+r " + root_.string() + "/intel-rapl:*/energy_uj"));
}

TEST_F(PowercapTest, AMachineWithoutDomainsSaysSo) {
    for (auto const& folder : {root_.string(), root_.string() + "/none"}) {
        auto const found = powercap_counters(folder);
        EXPECT_THAT(found.all, IsEmpty());
        EXPECT_THAT(found.problem, HasSubstr(folder + " has no packages"));
    }
    zone("intel-rapl:0", "psys", 1);
    EXPECT_THAT(counters().problem, HasSubstr("has no packages"));
    for (auto const* other : {"intel-rapl:", "intel-rapl:x", "intel-rapl:0:0:0", "intel-rapl:1 "})
        zone(other, "package-7", 1);
    EXPECT_THAT(counters().all, IsEmpty()) << "no domains of a package";
}

TEST(PowercapFolderTest, CanBeNamed) {
    EXPECT_EQ(powercap_folder(), "/sys/class/powercap");
    setenv(powercap_variable, "/host/powercap", 1);
    EXPECT_EQ(powercap_folder(), "/host/powercap");
    unsetenv(powercap_variable);
}

}  // namespace
}  // namespace kvstone
