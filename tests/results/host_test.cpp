// Facts of a node, read from made-up /proc and /sys trees and from this one.

#include "results/record/host.hpp"

#include <fstream>
#include <map>
#include <set>

#include "results/store/hardware_class.hpp"
#include "results/store/maintenance.hpp"
#include "results/verdict/comparison.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

struct Tree {
    test::Folder folder;
    void write(std::string const& path, std::string const& content) const { folder.write(path, content); }
    Host host(std::string const& vector_units = {}) const { return describe_host(vector_units, folder.path()); }
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

TEST(HostTest, VectorUnitsJoinTheClassAndItsName) {
    auto const tree = two_sockets_with_smt();
    auto const untold = tree.host(), avx2 = tree.host("avx2"), sse4 = tree.host("sse4");
    EXPECT_EQ(avx2.hardware_name, "Fast 9000 x4 63GiB avx2");
    EXPECT_EQ(avx2.vector_units, "avx2");
    EXPECT_EQ(avx2.hardware_class, tree.host("avx2").hardware_class);
    EXPECT_EQ((std::set{untold.hardware_class, avx2.hardware_class, sse4.hardware_class}.size()), 3U);
}

TEST(HostTest, AnInstrumentIsTheHardwareOfItsCounts) {
    auto const counted = [](std::string const& model, std::string const& units, std::string const& instrument) {
        auto const tree = two_sockets_with_smt();
        tree.write("proc/cpuinfo", "model name : " + model + "\n");
        return describe_host(units, tree.folder.path(), instrument);
    };
    auto const one = counted("Fast 9000", "avx2", "callgrind-3.27.1, 1 layers, 512 tokens");
    EXPECT_EQ(one.hardware_name, "callgrind-3.27.1, 1 layers, 512 tokens, avx2");
    EXPECT_EQ(host_from_json(to_json(one)), one);
    auto const other = counted("Slow 10", "avx2", one.instrument);
    EXPECT_EQ(other.hardware_class, one.hardware_class) << "it simulates a processor of its own";
    EXPECT_TRUE(same_hardware(to_json(one), to_json(other)));
    for (auto const& differs : {counted("Fast 9000", "avx2", "callgrind-3.28.0, 1 layers, 512 tokens"),
                                counted("Fast 9000", "sse4", one.instrument), counted("Fast 9000", "avx2", "")}) {
        EXPECT_NE(differs.hardware_class, one.hardware_class);
        EXPECT_FALSE(same_hardware(to_json(differs), to_json(one)));
        EXPECT_FALSE(same_hardware(to_json(one), to_json(differs)));
    }
}

Json host_with_memory(std::uint64_t kibibytes) {
    auto const tree = two_sockets_with_smt();
    tree.write("proc/meminfo", fmt::format("MemTotal: {} kB\n", kibibytes));
    return to_json(tree.host());
}

std::string own_class(Json const& facts) { return facts.at("hardware_class").get<std::string>(); }

TEST(HardwareClassTest, AnUpdateOfTheKernelCrossesNoBoundary) {
    constexpr std::uint64_t gib = 1 << 20, mib = 1 << 10;  // in KiB
    for (std::uint64_t const whole : {1, 3, 7, 15, 23, 31, 62, 63, 125, 251, 503, 755, 1007}) {
        // Where the host's own class turns, and a kernel that keeps more or less than the one before.
        auto const boundary = whole * gib + gib / 2;
        for (auto const& [before, after] : {std::pair{boundary - 1, boundary + 1},
                                            {boundary + 1, boundary - 1},
                                            {boundary - 200 * mib, boundary + 200 * mib},
                                            {boundary + 300 * mib, boundary - 100 * mib}}) {
            test::Folder folder;
            auto const raw = test::cell("raw"), fp16 = test::cell("fp16");
            auto first = test::measurement(raw), second = test::measurement(fp16);
            first.host = host_with_memory(before);
            second.host = host_with_memory(after);
            EXPECT_NE(first.host["hardware_class"], second.host["hardware_class"]) << "this boundary is none";
            std::string campaign;
            {
                auto store = Store::open(folder.file());
                auto const begun = store.begin_campaign(test::plan({raw, fp16}), test::build(),
                                                        store.hardware_class(first.host), false);
                EXPECT_EQ(begun.hardware_class, own_class(first.host)) << "an empty database knows no other";
                store.ingest(begun, {first});
                campaign = begun.id;
            }
            EXPECT_EQ(Store::open_read_only(folder.file()).hardware_class(second.host), own_class(first.host));
            auto store = Store::open(folder.file());
            auto const resumed =
                store.begin_campaign(test::plan({raw, fp16}), test::build(), store.hardware_class(second.host), false);
            EXPECT_EQ(resumed.id, campaign) << before << ' ' << after;
            store.ingest(resumed, {second});
            EXPECT_EQ(test::number(store, "SELECT count(*) FROM host"), 2);
            EXPECT_EQ(test::number(store, "SELECT count(DISTINCT hardware_class) FROM host"), 1);
        }
    }
}

TEST(HardwareClassTest, NodesOnEitherSideOfABoundaryAreOneClassWhoeverComesFirst) {
    constexpr std::uint64_t boundary = (31 << 20) + (1 << 19);
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const raw = test::cell("raw");
    auto const coordinator = host_with_memory(boundary + 9);
    auto const campaign =
        store.begin_campaign(test::plan({raw}), test::build(), store.hardware_class(coordinator), false);
    auto m = test::measurement(raw);
    m.host = host_with_memory(boundary - 9);
    store.ingest(campaign, {m});
    EXPECT_EQ(test::text(store, "SELECT hardware_class FROM host"), campaign.hardware_class);
}

TEST(HardwareClassTest, OtherHardwareIsAnotherClass) {
    constexpr std::uint64_t gib = 1 << 20;
    test::Folder folder;
    auto const store = Store::open(folder.file());
    auto const kept = [](std::uint64_t installed) { return installed - installed / 32; };  // by firmware and kernel
    std::set<std::string> classes;
    std::vector<std::uint64_t> const sold{2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 112, 128, 256, 384, 512, 768, 1024};
    for (auto const installed : sold) classes.insert(store.hardware_class(host_with_memory(kept(installed * gib))));
    EXPECT_EQ(classes.size(), sold.size());
    auto host = host_with_memory(kept(64 * gib));
    auto untold = host;
    untold.erase("vector_units");
    EXPECT_FALSE(same_hardware(host, untold)) << "earlier builds did not tell";
    EXPECT_TRUE(same_hardware(untold, untold));
    for (auto const& [key, value] :
         std::map<std::string, Json>{{"cpu_model", "Slow"}, {"cores", 5}, {"gpus", {"X"}}, {"vector_units", "sse4"}}) {
        auto other = host;
        other[key] = value;
        other["hardware_class"] = "class of " + key;
        EXPECT_FALSE(same_hardware(host, other)) << key;
        EXPECT_EQ(store.hardware_class(other), "class of " + key);
    }
    EXPECT_TRUE(same_hardware(host, host));
    EXPECT_FALSE(same_hardware(Json::object(), Json::object())) << "nothing is known of either";
    EXPECT_EQ(store.hardware_class(Json::object()), "");
}

TEST(HardwareClassTest, WhatABoundaryPartedInAnOlderFileIsOneAgain) {
    constexpr std::uint64_t boundary = (15 << 20) + (1 << 19);
    test::Folder folder;
    auto const raw = test::cell("raw");
    std::string first_class;
    for (std::string const file : {"a.db", "b.db"}) {
        auto store = Store::open(folder.file(file));
        auto m = test::measurement(raw);
        m.host = host_with_memory(file == "a.db" ? boundary - 9 : boundary + 9);
        auto const campaign = store.begin_campaign(test::plan({raw}), test::build(file), own_class(m.host), false);
        store.ingest(campaign, {m});
        if (first_class.empty()) first_class = campaign.hardware_class;
        EXPECT_EQ(campaign.hardware_class == first_class, file == "a.db");
    }
    auto const a = read_side(folder.file("a.db"), "latest"), b = read_side(folder.file("b.db"), "latest");
    EXPECT_NE(a.hardware_class, b.hardware_class);
    EXPECT_TRUE(circumstances(a, b).same_hardware) << "in two files";
    auto store = Store::open(folder.file("a.db"));
    merge(store, folder.file("b.db"));
    auto const classes =
        "SELECT group_concat(hardware_class, ' ') FROM (SELECT hardware_class FROM host UNION ALL SELECT "
        "hardware_class FROM campaign)";
    auto const four = fmt::format("{0} {0} {0} {0}", first_class);
    EXPECT_EQ(test::text(store, classes), four) << "in one";
    // As builds before schema 7 left them.
    execute(store.connection(),
            "UPDATE host SET hardware_class = 'other' WHERE id = 2; UPDATE campaign SET "
            "hardware_class = 'other' WHERE id = 2");
    Transaction transaction(store.connection());
    unify_hardware_classes(store.connection());
    transaction.commit();
    EXPECT_EQ(test::text(store, classes), four);
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
    auto const host = describe_host("");
    EXPECT_FALSE(host.name.empty());
    EXPECT_GE(host.threads, host.cores);
    EXPECT_GE(host.cores, 1);
    EXPECT_GT(host.memory_bytes, 1ULL << 28);
    EXPECT_EQ(describe_host("").hardware_class, host.hardware_class);
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
    first.host = to_json(tree.host("avx2"));
    tree.write("proc/loadavg", "7.5 0 0 1/1 1\n");
    tree.write("sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "4100000\n");
    second.host = to_json(tree.host("avx2"));
    second.host["slurm_job"] = "4711";
    store.ingest(campaign, {first, second});
    EXPECT_EQ(test::number(store, "SELECT count(*) FROM host"), 1);
    EXPECT_EQ(test::text(store, "SELECT group_concat(load_average, ' ') FROM attempt"), "1.25 7.5");
    EXPECT_EQ(test::text(store, "SELECT group_concat(clock_mhz || coalesce(slurm_job, '-'), ' ') FROM attempt"),
              "3007.5- 4100.04711");
    EXPECT_EQ(test::text(store, "SELECT name || cores || hardware_name FROM host"), "node74Fast 9000 x4 63GiB avx2");
    EXPECT_EQ(test::text(store, "SELECT group_concat(DISTINCT vector_units) FROM v_latest"), "avx2");
}

}  // namespace
}  // namespace kvstone
