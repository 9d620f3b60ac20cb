// Dumps of the writers that users have: safetensors and numpy, and the tutorial's lines for a cache of transformers.

#include "tests/harness/cli/program.hpp"
#include "tests/harness/python_codec.hpp"

namespace kvstone {
namespace {

class PythonDumps : public ProgramTest {};

TEST_F(PythonDumps, AreReadToTheLastBit) {
    auto const python = python_with("safetensors.numpy");
    if (python.empty()) GTEST_SKIP() << "no Python with safetensors and numpy (KVSTONE_TEST_PYTHON can name one)";
    auto const dumps = python + " '" + source_folder() + "/tests/harness/python_dumps/dumps.py' ";
    for (std::string const writer :
         {"transformers", "shards", "floats_of_8_bits", "integers", "fortran", "fortran_deflated"}) {
        auto const ended = shell("mkdir " + writer + " && cd " + writer + " && " + dumps + "write " + writer +
                                 " && kvstone dump \"$(cat source.txt)\" -o out.safetensors && " + dumps + "check");
        EXPECT_EQ(ended.code, 0) << writer << ended.out << ended.err;
    }
}

}  // namespace
}  // namespace kvstone
