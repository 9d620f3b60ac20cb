#pragma once

#include <cstdint>
#include <vector>

namespace kvstone {

/// Rotary position embedding that K and Q went through: pair i of a head's vector at position p is rotated by the angle
/// p * scale * base^(-2i/dims) / frequency_factors[i]. (Su et al. 2021, equation 34.)
struct Rope {
    double base = 10000;
    std::uint64_t dims = 0;                 ///< rotated channels of each head
    bool interleaved = true;                ///< pairs (2i, 2i+1), else (i, i + dims/2)
    double scale = 1;                       ///< of positions
    std::vector<double> frequency_factors;  ///< one a pair (Llama 3.1 and later); empty: all 1
};

}  // namespace kvstone
