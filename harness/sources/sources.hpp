#pragma once
// The kinds of sources behind load_tensors(), each in a file of its own.

#include <string>

#include "harness/files/array_file.hpp"
#include "harness/sources/rope.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// See dump_source.cpp. `source` as in Cell.
KvTensors load_dump(Json const& source, std::string const& path, std::uint64_t context, Needs needs);
/// Throws ConfigError where the arrays of a dump differ from the source's description (names, types, layout); broken or
/// unreadable content is ignored. Values are not read.
void check_dump(Json const& source, Json const& locator);
/// As load_dump(), from an open file.
KvTensors load_arrays(ArrayFile const& file, Json const& source, std::uint64_t context, Needs needs);
/// See synthetic.hpp.
KvTensors make_synthetic(Json const& source, std::uint64_t context, Needs needs);

/// The file's tensors k, v, k_prerope and q, those that it has and `needs` asks for, with RoPE and metadata where
/// KVstone wrote it.
KvTensors read_dump(std::string const& path, Needs needs);

/// Uninitialised memory, aligned to 256 bytes.
std::shared_ptr<std::byte> allocate_bytes(std::size_t bytes);

}  // namespace kvstone
