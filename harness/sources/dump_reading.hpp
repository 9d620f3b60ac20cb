#pragma once
// Which arrays of a file are K, V and Q, and how each is to be read.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// What the dump says of one of its arrays.
struct DumpReading {
    std::string array;
    std::string layout = "layer head token dim";
    std::string dtype;            ///< empty: what the file says
    std::optional<double> scale;  ///< of i8 and f8
    bool says_type = false;       ///< it is the user who says what the elements are, and not the file
    std::uint64_t kv_heads = 0;   ///< that the axis of channels holds; 0: heads are an axis of their own
    std::uint64_t tokens = 0;     ///< that are in use, of those the array has; 0: all
    std::uint64_t dim = 0;        ///< the same of channels
};

/// A file with which array is which.
struct DumpReadings {
    ArrayFile const* file = nullptr;  ///< with the stacks that readings name
    std::vector<std::unique_ptr<ArrayFile>> stacks = {};
    std::map<std::string, DumpReading> readings = {};
    std::string found = {};  ///< what was taken without being named
};

/// From the source's members (cell.hpp) and the file's contents; `file` must live as long. Throws ConfigError where names
/// are not the file's, and where nothing is named and nothing is called as usual.
DumpReadings dump_of(ArrayFile const& file, Json const& source);

/// Throws ConfigError, with the arrays there are, where it is none of them.
ArrayInfo const& array_named(ArrayFile const& file, std::string const& name);

}  // namespace kvstone
