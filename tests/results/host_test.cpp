// Facts of a node, read from made-up /proc and /sys trees and from this one.

#include "results/host.hpp"

#include <fstream>

#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

struct Tree {
    test::Folder folder;
    void write(std::string const& path, std::string const& content) const {
        auto const file = folder.path() / path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << content;
    }
    Host host() const { return describe_host(folder.path().string()); }
};

Tree two_sockets_with_smt() {
    Tree tree;
    std::string cpuinfo;
    for (int cpu = 0; cpu < 8; ++cpu) {
        cpuinfo += fmt::format(
            "processor\t: {}\nmodel name\t: Fast(R) CPU 9000\nflags\t\t: fpu avx2 avx512f amx_tile\n"
            "cpu MHz\t: {}.5\n\n",
            cpu, 3000 + cpu);
        auto const topology = fmt::format("sys/devices/system/cpu/cpu{}/topology/", cpu);
        tree.write(topology + "physical_package_id", fmt::format("{}\n", cpu / 4));
        tree.write(topology + "core_id", fmt::format("{}\n", cpu % 2));
    }
    tree.write("proc/cpuinfo", cpuinfo);
    tree.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    tree.write("sys/devices/system/cpu/cpufreq/ignored", "");
    tree.write("sys/devices/system/node/node0/x", "");
    tree.write("sys/devices/system/node/node1/x", "");
    tree.write("proc/meminfo", "MemTotal:       66000000 kB\nMemFree: 1 kB\n");
    tree.write("proc/self/status", "Name:\tkvstone\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3,8\n");
    tree.write("proc/loadavg", "1.25 0.50 0.10 1/100 1234\n");
    tree.write("proc/sys/kernel/hostname", "node7\n");
    tree.write("proc/sys/kernel/osrelease", "6.1.0\n");
    tree.write("sys/class/thermal/thermal_zone0/temp", "41500\n");
    tree.write("sys/class/thermal/thermal_zone1/temp", "63250\n");
    return tree;
}

TEST(HostTest, ReadsWhatTheKernelTells) {
    auto const tree = two_sockets_with_smt();
    auto const host = tree.host();
    EXPECT_EQ(host.name, "node7");
    EXPECT_EQ(host.cpu_model, "Fast(R) CPU 9000");
    EXPECT_EQ(host.sockets, 2);
    EXPECT_EQ(host.cores, 4);
    EXPECT_EQ(host.threads, 8);
    EXPECT_TRUE(host.smt);
    EXPECT_EQ(host.numa_nodes, 2);
    EXPECT_EQ(host.memory_bytes, 66000000ULL * 1024);
    EXPECT_EQ(host.governor, "performance");
    EXPECT_EQ(host.isa, (std::vector<std::string>{"amx_tile", "avx2", "avx512f"}));
    EXPECT_EQ(host.load_average, 1.25);
    EXPECT_EQ(host.temperature_c, 63.25);
    EXPECT_EQ(host.clock_mhz, 3007.5);
    EXPECT_EQ(host.affinity, "0-3,8");
    EXPECT_EQ(host.hardware_name, "Fast 9000 x4 63GiB");  // 66,000,000 KiB = 62.94 GiB
    EXPECT_TRUE(host.gpus.empty());
}

TEST(HostTest, HardwareClassIsOfTheHardwareAlone) {
    auto const tree = two_sockets_with_smt();
    auto const before = tree.host();
    EXPECT_EQ(before.hardware_class.size(), 16U);
    tree.write("proc/sys/kernel/hostname", "node8\n");
    tree.write("proc/sys/kernel/osrelease", "6.2.0\n");
    tree.write("proc/loadavg", "9 9 9 1/1 1\n");
    tree.write("proc/meminfo", "MemTotal:       65990000 kB\n");  // a kernel that keeps a little more for itself
    EXPECT_EQ(tree.host().hardware_class, before.hardware_class);
    tree.write("proc/meminfo", "MemTotal:       32768000 kB\n");
    EXPECT_NE(tree.host().hardware_class, before.hardware_class);
}

TEST(HostTest, GpusJoinTheClass) {
    auto const tree = two_sockets_with_smt();
    auto const before = tree.host();
    for (auto const* slot : {"0000:17:00.0", "0000:65:00.0"})
        tree.write(fmt::format("proc/driver/nvidia/gpus/{}/information", slot), "Model: \t\t NVIDIA X\nIRQ: 1\n");
    tree.write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n");
    auto const host = tree.host();
    EXPECT_EQ(host.gpus, (std::vector<std::string>{"NVIDIA X", "NVIDIA X"}));
    EXPECT_EQ(host.gpu_driver, "550.54.14");
    EXPECT_EQ(host.hardware_name, "Fast 9000 x4 63GiB + NVIDIA X x2");
    EXPECT_NE(host.hardware_class, before.hardware_class);
}

TEST(HostTest, AnEmptyMachineIsDescribedToo) {
    Tree const tree;
    auto const host = tree.host();
    EXPECT_EQ(host.cores, 0);
    EXPECT_FALSE(host.temperature_c);
    EXPECT_EQ(host.hardware_class.size(), 16U);
}

TEST(HostTest, ThisOneHasCoresAndMemory) {
    auto const host = describe_host();
    EXPECT_FALSE(host.name.empty());
    EXPECT_GE(host.threads, host.cores);
    EXPECT_GE(host.cores, 1);
    EXPECT_GT(host.memory_bytes, 1ULL << 28);
    EXPECT_EQ(describe_host().hardware_class, host.hardware_class);
}

TEST(HostTest, JsonGoesBothWays) {
    auto const tree = two_sockets_with_smt();
    auto const host = tree.host();
    EXPECT_EQ(host_from_json(nlohmann::json::parse(to_json(host).dump())), host);
    auto const whole = to_json(host);
    for (auto const& item : whole.items()) {
        auto without = whole;
        without.erase(item.key());
        EXPECT_THROW(host_from_json(without), CorruptData) << item.key();
    }
    auto json = whole;
    json["cores"] = "four";
    EXPECT_THROW(host_from_json(json), CorruptData);
}

TEST(HostTest, AStoreTellsLastingFactsOnce) {
    test::Folder folder;
    auto const tree = two_sockets_with_smt();
    auto store = Store::open(folder.file());
    auto const raw = test::cell("raw"), fp16 = test::cell("fp16");
    auto const campaign = store.begin_campaign(test::plan({raw, fp16}), test::build(), "hw", false);
    auto first = test::measurement(raw), second = test::measurement(fp16);
    first.host = to_json(tree.host());
    tree.write("proc/loadavg", "7.5 0 0 1/1 1\n");
    tree.write("sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "4100000\n");
    second.host = to_json(tree.host());
    second.host["slurm_job"] = "4711";
    store.ingest(campaign, {first, second});
    EXPECT_EQ(test::number(store, "SELECT count(*) FROM host"), 1);
    EXPECT_EQ(test::text(store, "SELECT group_concat(load_average, ' ') FROM attempt"), "1.25 7.5");
    EXPECT_EQ(test::text(store, "SELECT group_concat(clock_mhz || coalesce(slurm_job, '-'), ' ') FROM attempt"),
              "3007.5- 4100.04711");
    EXPECT_EQ(test::text(store, "SELECT name || cores || hardware_name FROM host"), "node74Fast 9000 x4 63GiB");
}

}  // namespace
}  // namespace kvstone
