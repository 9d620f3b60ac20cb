#pragma once
// What to write where a file does not say which of its arrays are K and V.

#include <string>
#include <vector>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// Texts of `dump:` that would read the file, by names and shapes alone: "dump: {path: F, k: values, layout: token dim,
/// dtype: i8, scale: scale}". One array a layer stands as its pattern, 'layer_{layer}.key'. Nothing where there is no array
/// of two axes or more.
std::vector<std::string> dump_advice(ArrayFile const& file);

}  // namespace kvstone
