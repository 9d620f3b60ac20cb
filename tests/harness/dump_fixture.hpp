#pragma once
// Small dumps, and what reading them brings or says.

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "harness/captures/load_tensors.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {

class Dump : public ::testing::Test {
  protected:
    static KvTensors load(std::string const& path, Json source = Json::object(), std::uint64_t context = 0,
                          Needs needs = {}) {
        source["kind"] = "dump";
        return load_tensors(source, {{"path", path}}, context, needs);
    }
    /// A tensor in the header of a safetensors file.
    static std::string entry(std::string const& name, std::string const& dtype, std::string const& shape,
                             std::string const& offsets) {
        return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
               "}";
    }
    static std::string corrupt(std::string const& path, Json const& source = Json::object()) {
        return message_of<CorruptData>([&] { load(path, source); });
    }
    static std::string refused(std::string const& path, Json const& source = Json::object(),
                               std::uint64_t context = 0) {
        return message_of<ConfigError>([&] { load(path, source, context); });
    }
    ScratchFolder folder_;
};

}  // namespace kvstone
