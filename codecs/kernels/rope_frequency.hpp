#pragma once

#include <cstdint>

#include "backends/portable_math.hpp"
#include "codecs/rope.hpp"

namespace kvstone {

/// The angle by which pair `pair` turns from one position to the next, as Rope has it.
inline double rope_frequency(Rope const& rope, std::uint64_t pair) {
    auto const exponent = -2.0 * static_cast<double>(pair) / static_cast<double>(rope.dims);
    auto const factor = pair < rope.frequency_factors.size() ? rope.frequency_factors[pair] : 1.0;
    return rope.scale * portable::pow(rope.base, exponent) / factor;
}

}  // namespace kvstone
