// Bundles: a campaign packed here is measured again there, out of the archive or unpacked by hand.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

/// small.zip has the campaign of a scenario that was run with options, over a file beside it, which is gone by now.
class BundleTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        std::filesystem::create_directories(path("here/data"));
        auto scenario = small_scenario("raw, int8, fp16");
        scenario.replace(scenario.find("synthetic:"), scenario.find("\ngrid") - scenario.find("synthetic:"),
                         "dump: {path: data/k.npy, layout: token dim, k: data}");
        write("here/small.yaml", scenario);
        std::vector<float> values(128 * 8);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 37 % 101) / 8;
        std::string const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (128, 8), }\n";
        write("here/data/k.npy", std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' +
                                     header +
                                     std::string(reinterpret_cast<char const*>(values.data()), values.size() * 4));
        auto const options = std::string(" small.yaml --set 'grid.context=[64]' --only 'int8' --db ../here.db");
        auto const packed =
            shell("cd here && kvstone run" + options + " && kvstone bundle" + options + " -o ../small.zip");
        ASSERT_EQ(packed.code, 0) << packed.err;
        std::filesystem::remove_all(path("here"));
    }
    /// Figures that are the same wherever they are measured, as text.
    std::string figures(std::string const& database) const {
        return kvstone("query --db " + database +
                       " \"SELECT cell, component, metric, value FROM v_latest JOIN metric ON metric.name = "
                       "v_latest.metric "
                       "WHERE metric.deterministic ORDER BY 1, 2, 3\" --format csv")
            .out;
    }
    /// small.zip with what a Python statement does to `members`, a map from names to content, as NAME.zip.
    void alter(std::string const& name, std::string const& statement) const {
        auto const altered = shell(
            "python3 -c '\nimport zipfile\nz = zipfile.ZipFile(\"small.zip\")\n"
            "members = {n: z.read(n) for n in z.namelist()}\n" +
            statement + "\nz = zipfile.ZipFile(\"" + name +
            ".zip\", \"w\")\nfor n, c in members.items(): z.writestr(n, c)\nz.close()'");
        ASSERT_EQ(altered.code, 0) << altered.err;
    }
};

TEST_F(BundleTest, RunsOutOfTheArchiveAndCompares) {
    auto const plan = kvstone("plan small.zip --json");
    ASSERT_EQ(plan.code, 0) << plan.err;
    EXPECT_EQ(nlohmann::json::parse(plan.out)[0]["cells"].size(), 1);
    auto const again = kvstone("run small.zip --db ours.db");
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_THAT(again.err, testing::Not(HasSubstr("do not compare")));
    EXPECT_THAT(figures("here.db"), HasSubstr(",k,mae,"));
    EXPECT_EQ(figures("ours.db"), figures("here.db"));
    // The command that the run ends with is one.
    auto const told = again.out.find("kvstone compare ");
    ASSERT_NE(told, std::string::npos) << again.out;
    auto const compared = shell(again.out.substr(told, again.out.find('\n', told) - told));
    EXPECT_EQ(compared.code, 0) << compared.out << compared.err;
    // A bundle of a bundle holds the same scenario and figures.
    ASSERT_EQ(kvstone("bundle small.zip --db ours.db -o back.zip").code, 0);
    EXPECT_EQ(kvstone("run back.zip --db third.db").code, 0);
    EXPECT_EQ(figures("third.db"), figures("here.db"));
}

TEST_F(BundleTest, RunsUnpackedByHand) {
    auto const there = shell(
        "mkdir there && cd there && python3 -m zipfile -e ../small.zip . && sha256sum --check --quiet SHA256SUMS && "
        "eval \"$(grep 'kvstone run small.yaml' README.md)\" >log && kvstone db merge --db ours.db measured.db && "
        "kvstone compare measured.db --db ours.db");
    EXPECT_EQ(there.code, 0) << there.err;
    EXPECT_THAT(there.out, HasSubstr("measured.db: "));
    EXPECT_EQ(figures("there/ours.db"), figures("here.db"));
}

TEST_F(BundleTest, IsPackedOnceAndOnlyWhereItWasRun) {
    write("small.yaml", small_scenario("raw"));
    EXPECT_THAT(kvstone("bundle small.yaml --db here.db -o other.zip").err, HasSubstr("no such campaign"));
    ASSERT_EQ(kvstone("run small.yaml --db here.db").code, 0);
    EXPECT_EQ(kvstone("bundle small.yaml --db here.db -o small.zip").code, 2);
    EXPECT_EQ(kvstone("bundle small.yaml --db here.db -o other.zip").code, 0);
    EXPECT_EQ(shell("ls *.zip.* 2>/dev/null | wc -l").out, "0\n");
}

TEST_F(BundleTest, AnUnpackedFolderThatIsNotWholeIsMadeAnew) {
    ASSERT_EQ(kvstone("plan small.zip").code, 0);
    auto const folder = shell("echo cache/kvstone/bundles/*").out;
    auto const bundle = folder.substr(0, folder.find('\n'));
    for (auto const* damage :
         {"rm data/k.npy", "truncate -s 100 data/k.npy", "rm SHA256SUMS", "rm bundle.json", "rm -r *"}) {
        ASSERT_EQ(shell("cd " + bundle + " && " + damage).code, 0);
        auto const again = kvstone("plan small.zip");
        EXPECT_EQ(again.code, 0) << damage << "\n" << again.err;
    }
    // Remains of a killed unpacker are removed; those of one that may be at work stay.
    ASSERT_EQ(shell("mkdir " + bundle + ".1 " + bundle + ".2 && touch -d '2 hours ago' " + bundle + ".1").code, 0);
    EXPECT_EQ(kvstone("plan small.zip").code, 0);
    EXPECT_FALSE(std::filesystem::exists(path(bundle + ".1")));
    EXPECT_TRUE(std::filesystem::exists(path(bundle + ".2")));
}

TEST_F(BundleTest, WhatIsAlteredOrNoBundleIsRefused) {
    auto const refused = [&](std::string const& name, std::string const& why) {
        auto const ended = kvstone("run " + name + ".zip --db new.db");
        EXPECT_EQ(ended.code, 2) << ended.err;
        EXPECT_THAT(ended.err, HasSubstr(why));
        EXPECT_FALSE(std::filesystem::exists(path("new.db")));
    };
    refused("absent", "absent.zip: no such file");
    write("text.zip", "kvstone: 1");
    refused("text", "Not a zip archive");
    alter("hostile", "members[\"../x\"] = b\"x\"");
    refused("hostile", "'../x' has a name that no file below a folder has");
    EXPECT_FALSE(std::filesystem::exists(path("cache/kvstone/bundles")));
    EXPECT_EQ(shell("find . -name x").out, "");
    alter("values", "members[\"data/k.npy\"] = bytes(len(members[\"data/k.npy\"]))");
    refused("values", "data/k.npy: changed after it was packed");
    alter("elsewhere",
          "members[\"bundle.json\"] = members[\"bundle.json\"].replace(b\"small.yaml\", b\"../../../../here.yaml\")");
    refused("elsewhere", "here.yaml: no such file");
    alter(
        "later",
        "members[\"bundle.json\"] = members[\"bundle.json\"].replace(b\"\\\"bundle\\\": 1\", b\"\\\"bundle\\\": 2\")");
    refused("later", "a bundle of format 2");
    alter("none", "del members[\"bundle.json\"]");
    refused("none", "it has no bundle.json");
    alter("other", "members[\"bundle.json\"] = members[\"bundle.json\"].replace(b\"int8\", b\"fp16\")");
    auto const other = kvstone("plan other.zip");
    EXPECT_EQ(other.code, 0);
    EXPECT_THAT(other.err, HasSubstr("other options or files make other cells"));
}

}  // namespace
}  // namespace kvstone
