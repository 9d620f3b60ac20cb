#pragma once

#include <vector>

namespace kvstone {

/// The 2^bits levels, ascending, that quantise N(0,1) with the least mean squared error (Max, "Quantizing for Minimum
/// Distortion", IRE Trans. Inf. Theory 1960; Lloyd 1982): each is the mean of the values nearest to it. Rounded to
/// multiples of 2^-20, so that they are the same everywhere. bits: 1 to 8. They are found once a process.
std::vector<float> const& lloyd_max_levels(unsigned bits);

}  // namespace kvstone
