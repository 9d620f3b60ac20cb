#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/host_tensor.hpp"
#include "harness/files/array_file.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// Length and JSON header for tensors that follow it in this order, packed; padded so that the data starts at a
/// multiple of 64 bytes. `metadata` maps texts to texts.
std::string safetensors_header(std::vector<std::pair<std::string, HostTensor>> const& tensors, Json const& metadata);

/// Reads bytes that are in memory as open_safetensors() reads a file; errors call them `name`.
std::unique_ptr<ArrayFile> read_safetensors(std::string const& name, MappedFile bytes);

/// Writes a safetensors file as a whole or not at all. Throws SystemError.
void write_safetensors(std::string const& path, std::vector<std::pair<std::string, HostTensor>> const& tensors,
                       Json const& metadata);

}  // namespace kvstone
