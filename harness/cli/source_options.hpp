#pragma once
// The arguments that `dump` and `inspect` share: the sources of tensors.

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

struct SourceOptions {
    std::vector<std::string> sources;
    std::uint64_t context = 0;

    void add_to(CLI::App& command);
    /// A cell for each source that the arguments name, with its source, locator and name. Throws ConfigError.
    std::vector<Cell> cells() const;
    /// The tensors of one of them. Throws as load_tensors does.
    KvTensors load(Cell const& cell, Needs needs) const;
};

}  // namespace kvstone
