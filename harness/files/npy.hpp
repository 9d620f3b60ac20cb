#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "harness/files/array_file.hpp"

namespace kvstone {

struct NpyHeader {
    ArrayInfo info;
    std::size_t data_offset = 0;  ///< where the values start
};

/// Bytes that are enough for the header of any array (the format's own limit for versions 2 and 3 is 4 GiB; the header
/// of a plain array is far below this).
constexpr std::size_t npy_header_limit_bytes = std::size_t{1} << 16;

/// Reads a header from the first bytes of a file (all of them, or at least npy_header_limit_bytes). Throws CorruptData,
/// beginning with `what`.
NpyHeader parse_npy_header(std::span<std::byte const> bytes, std::string const& what);

}  // namespace kvstone
