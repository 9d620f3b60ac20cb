#include "cluster/world.hpp"

#include <map>

#include <gtest/gtest.h>

#include "cluster/node.hpp"
#include "results/record/utc.hpp"

namespace kvstone {
namespace {

Launch launched_with(std::map<std::string, std::string> const& environment) {
    return detect_launch([&](char const* name) -> char const* {
        auto const at = environment.find(name);
        return at == environment.end() ? nullptr : at->second.c_str();
    });
}

TEST(World, ALauncherIsKnownByItsVariables) {
    EXPECT_EQ(launched_with({}).launcher, "");
    EXPECT_EQ(launched_with({{"OMPI_COMM_WORLD_SIZE", "4"}}).size, 4);
    EXPECT_EQ(launched_with({{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}}).size, 3);
    EXPECT_EQ(launched_with({{"MV2_COMM_WORLD_SIZE", "2"}}).size, 2);
    EXPECT_EQ(launched_with({{"PMIX_RANK", "0"}}).launcher, "a PMIx launcher");
    EXPECT_EQ(launched_with({{"PMIX_RANK", "0"}}).size, std::nullopt);
    EXPECT_EQ(launched_with({{"MPI_LOCALRANKID", "0"}}).size, std::nullopt);
    EXPECT_EQ(launched_with({{"OMPI_COMM_WORLD_SIZE", "four"}}).size, std::nullopt);
}

TEST(World, SlurmStepsAreRanksAndItsBatchScriptIsNot) {
    EXPECT_EQ(launched_with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).launcher, "");
    EXPECT_EQ(launched_with({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "8"}}).size, 8);
    EXPECT_EQ(launched_with({{"SLURM_STEP_NUM_TASKS", "2"}, {"OMPI_COMM_WORLD_SIZE", "6"}}).size, 6);
}

class WorldWithoutModule : public testing::Test {
  protected:
    void SetUp() override { setenv("KVSTONE_MPI_MODULE", "/nowhere/kvstone_mpi.so", 1); }
    void TearDown() override {
        unsetenv("KVSTONE_MPI_MODULE");
        unsetenv("MV2_COMM_WORLD_SIZE");
    }
};

TEST_F(WorldWithoutModule, ManyRanksThatCannotSpeakAreRefused) {
    setenv("MV2_COMM_WORLD_SIZE", "3", 1);
    try {
        open_world();
        FAIL() << "three independent runs";
    } catch (SystemError const& error) {
        EXPECT_NE(std::string(error.what()).find("/nowhere/kvstone_mpi.so"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("MVAPICH"), std::string::npos) << error.what();
    }
}

TEST_F(WorldWithoutModule, OneRankNeedsNoMpi) {
    setenv("MV2_COMM_WORLD_SIZE", "1", 1);
    auto const world = open_world();
    EXPECT_EQ(world->size(), 1);
    EXPECT_EQ(world->rank(), 0);
    EXPECT_FALSE(world->receive(0).has_value());
    EXPECT_THROW(world->send(1, "?"), SystemError);
}

TEST(Node, NameHasAHostAndTheSameIdEachTime) {
    EXPECT_GT(node_name().size(), 2u);
    EXPECT_EQ(node_name(), node_name());
}

TEST(Utc, IsIso8601WithMilliseconds) {
    auto const now = utc_now();
    ASSERT_EQ(now.size(), 24u) << now;
    EXPECT_EQ(now.substr(10, 1), "T");
    EXPECT_EQ(now.substr(19, 1), ".");
    EXPECT_EQ(now.back(), 'Z');
}

}  // namespace
}  // namespace kvstone
