#pragma once
// Runs of floats to numbers of sixteen bits and back, with the vector units of the processor. Host only.
//
// What comes out is the same to the last bit as value by value through floats.hpp and nearest_element.hpp.

#include <cstdint>

#include "backends/kernels/floats.hpp"

namespace kvstone {

/// Where the two sides of a run lie.
struct CastPlaces {
    bool streaming = false;  ///< what is written starts a cache line and goes past the cache
    bool ahead = false;      ///< what is read lies in memory, and is asked for ahead of time
};

/// to[i] = from_float<>(to_float(from[i])) for i < count.
void cast_values(float const* from, Float16* to, std::uint64_t count, CastPlaces places);
void cast_values(float const* from, BFloat16* to, std::uint64_t count, CastPlaces places);
void cast_values(Float16 const* from, float* to, std::uint64_t count, CastPlaces places);
void cast_values(BFloat16 const* from, float* to, std::uint64_t count, CastPlaces places);

/// to[i] = nearest_element<>(from[i]): finite values stay finite.
void cast_to_nearest(float const* from, Float16* to, std::uint64_t count, CastPlaces places);
void cast_to_nearest(float const* from, BFloat16* to, std::uint64_t count, CastPlaces places);

/// Within +-65504, Inf as well; neither side has to be aligned.
void cast_saturated(float const* from, void* halves, std::uint64_t count);
/// Likewise from binary16 numbers at any place.
void cast_halves(void const* halves, float* to, std::uint64_t count);

}  // namespace kvstone
