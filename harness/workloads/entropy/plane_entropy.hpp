#pragma once
// Order-0 entropy of a plane of coded values, and the gain of tables of a finer grain.

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "codecs/stage.hpp"

namespace kvstone {

/// Parts of an element, and ways to count them. An element has PlaneSpec::element_bytes: it is a number, or a byte of
/// packed codes.
enum class EntropyOf : std::uint8_t {
    word,                  ///< the element; nothing where it has 4 bytes, which hardly ever repeat
    high_byte,             ///< its most significant byte
    low_byte,              ///< the other one of 2
    high_6_bits,           ///< sign and exponent of fp16
    exponent,              ///< of a floating-point format
    high_byte_by_channel,  ///< a table for each layer, head and place in the row; Miller-Madow
    high_byte_by_past,     ///< given the same place's high byte of the token before, one table; Miller-Madow
    high_byte_huffman,     ///< the best prefix code
};
inline constexpr std::size_t entropy_kinds = 8;

/// Bits of all elements together, at the index of each EntropyOf; nothing where the plane has no such part, or its rows
/// do not lie one after the other.
using EntropyBits = std::array<std::optional<double>, entropy_kinds>;

struct PlaneEntropy {
    EntropyBits bits;  ///< one table for the plane (but for high_byte_by_channel)
    /// The least bits of a coder of order 0 with one table for the plane: over whole elements; for 4-byte elements,
    /// over their byte planes.
    double bound_bits = 0;
    std::vector<EntropyBits> layers;  ///< a table for each layer; empty where rows do not lie one after the other
};

/// Counts on all threads; the figures do not depend on their number. `plane` lies in host memory.
PlaneEntropy measure_plane(PlaneSpec const& spec, ConstPlane plane);

}  // namespace kvstone
