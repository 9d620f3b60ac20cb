#pragma once
// The built programs, run as a user runs them, each test in a folder and with a cache of its own.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "results/record/build.hpp"
#include "tests/places.hpp"

namespace kvstone {

struct Ended {
    int code = -1;  ///< 128 + signal where a signal ended it
    std::string out;
    std::string err;
};

class ProgramTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("kvstone_cli_" + std::to_string(getpid()) + "_" +
                                                      testing::UnitTest::GetInstance()->current_test_info()->name());
        std::filesystem::create_directories(folder_ / "cache");
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path path(std::string const& name) const { return folder_ / name; }
    void write(std::string const& name, std::string const& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
    }
    std::string read(std::filesystem::path const& file) const {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    /// A shell command in the test's folder; `kvstone` and the others are on its path. The screen is so wide that no sentence
    /// is broken.
    Ended shell(std::string const& command) const {
        auto const line = "cd '" + folder_.string() +
                          "' && unset KVSTONE_DB && export COLUMNS=2000 PATH=" + programs_folder() +
                          ":$PATH XDG_CACHE_HOME='" + path("cache").string() + "' && { " + command + "; } >out 2>err";
        int const status = std::system(line.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(path("out")), read(path("err"))};
    }
    Ended kvstone(std::string const& arguments) const { return shell("kvstone " + arguments); }

    nlohmann::json rows(std::string const& sql) const {
        auto const ended = kvstone("query --json \"" + sql + "\"");
        EXPECT_EQ(ended.code, 0) << ended.err;
        return nlohmann::json::parse(ended.out);
    }

  private:
    std::filesystem::path folder_;
};

/// Tests of programs that an MPI launcher starts, where this build and this machine have one. `Base`: ProgramTest, or what
/// is derived from it.
template <class Base>
class MpiTest : public Base {
  protected:
    void SetUp() override {
        Base::SetUp();
        if (!this_build().has_mpi) GTEST_SKIP() << "built without MPI";
        if (this->shell("command -v mpirun").code != 0) GTEST_SKIP() << "no mpirun";
    }
    /// The words before a program that run it on this number of ranks.
    static std::string mpirun(int ranks) {
        return "env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe --mca "
               "btl_tcp_if_include lo -n " +
               std::to_string(ranks) + " ";
    }
};

/// Small, untimed cells: even the shortest run has the parts that these tests read.
inline std::string small_scenario(std::string const& codecs, std::string const& measure = "timing: off",
                                  std::string const& more = "") {
    return "kvstone: 1\nname: small\n"
           "sources:\n  - synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64}\n"
           "grid: {context: [64, 100], codec: [" +
           codecs +
           "]}\n"
           "workloads: [roundtrip]\n"
           "measure: {" +
           measure + "}\n" + more;
}

}  // namespace kvstone
