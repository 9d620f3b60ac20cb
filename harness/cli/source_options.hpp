#pragma once
// The argument that `dump` and `inspect` share: where tensors come from.

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "harness/tensor_source.hpp"

namespace kvstone {

struct SourceOptions {
    std::string source;
    std::uint64_t context = 0;

    void add_to(CLI::App& command);
    /// The tensors of a dump file, or of a source written as scenarios have it. Throws as load_tensors and parse_plan do.
    KvTensors load(Needs needs) const;
};

}  // namespace kvstone
