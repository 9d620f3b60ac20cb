#pragma once
// Suggestions for files that do not say which of their arrays are K and V.

#include <string>
#include <vector>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// Texts of `dump:` that would read the file, by names and shapes alone: "dump: {path: F, k: values, layout: token dim,
/// dtype: i8, scale: scale}". One array per layer is written as its pattern, 'layer_{layer}.key'. Empty where no array
/// has two axes or more.
std::vector<std::string> dump_advice(ArrayFile const& file);

}  // namespace kvstone
