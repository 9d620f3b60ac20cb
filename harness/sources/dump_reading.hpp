#pragma once
// The arrays of a file that are K, V and Q, and how to read each.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// The dump's description of one of its arrays.
struct DumpReading {
    std::string array;
    std::string layout = "layer head token dim";
    std::string dtype;                        ///< empty: the file's own
    std::optional<double> scale;              ///< of i8 and f8
    bool says_type = false;                   ///< the user gives the type of the elements, not the file
    std::uint64_t kv_heads = 0;               ///< heads within the axis of channels; 0: heads have an axis of their own
    std::uint64_t tokens = 0;                 ///< tokens of the array that are in use; 0: all
    std::uint64_t dim = 0;                    ///< the same of channels
    std::optional<std::uint64_t> batch = {};  ///< the one sequence of an axis `batch` that is read; else all, as heads
};

/// A file, and the meaning of its arrays.
struct DumpReadings {
    ArrayFile const* file = nullptr;  ///< with the stacks that readings name
    std::vector<std::unique_ptr<ArrayFile>> stacks = {};
    std::map<std::string, DumpReading> readings = {};
    std::string found = {};  ///< arrays that were found without being named
};

/// Made from the source's members (cell.hpp) and the file's contents; `file` must outlive it. Throws ConfigError where
/// the file lacks a name, and where none is given and no array has a usual name.
DumpReadings dump_of(ArrayFile const& file, Json const& source);

/// Throws ConfigError, with the file's arrays, where none has this name.
ArrayInfo const& array_named(ArrayFile const& file, std::string const& name);

}  // namespace kvstone
