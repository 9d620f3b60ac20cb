#pragma once

#include <memory>
#include <string>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// The array in which vLLM's connector to a shared folder keeps K and V of a layer, in a file for each:
/// `kv_cache` of [2 (K, V), token, heads * channels]; empty where the file holds something else.
std::string kv_pair_of(ArrayFile const& file);

/// A file with two more arrays, NAME.k and NAME.v: the halves of the array NAME along its first axis, whose length is 2.
/// `file` must live as long.
std::unique_ptr<ArrayFile> split_kv(ArrayFile const& file, std::string const& name);

}  // namespace kvstone
