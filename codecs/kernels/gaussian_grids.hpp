#pragma once

#include <vector>

namespace kvstone {

/// The 16, 64 or 256 points of the plane (code_bits 4, 6, 8) that quantise pairs of independent N(0,1) values with the
/// least mean squared error known to us: .10760, .02961 and .00776 of the variance. Many cells: 8 pi G / n, G = .0801875
/// of hexagons (Zador 1982; Fejes Toth 1959), which is .00787 for 256. All x in the order of codes, then all y;
/// multiples of 2^-12, so that they are the same everywhere.
std::vector<float> gaussian_grid(unsigned code_bits);

}  // namespace kvstone
