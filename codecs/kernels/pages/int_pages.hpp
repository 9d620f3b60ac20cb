#pragma once
// Pages of integer codes for the vector units of a host: what codecs/kernels/int_kernels.hpp does everywhere, to the last bit.

#include <array>
#include <cstddef>
#include <cstdint>

#include "backends/kernels/kv_page.hpp"
#include "codecs/kernels/uniform_grid.hpp"

namespace kvstone {

/// Planes of a page: payload, scales, zeros.
using IntPlaces = std::array<std::byte*, 3>;
using ConstIntPlaces = std::array<std::byte const*, 3>;

/// Groups of `group` channels within a vector, a multiple of 8 or the whole vector.
void encode_token_groups(UniformGrid const& grid, std::uint64_t group, Page<float const> const& page,
                         IntPlaces const& to);
void decode_token_groups(UniformGrid const& grid, std::uint64_t group, ConstIntPlaces const& from,
                         Page<float> const& page);

/// One group for each channel of the page.
void encode_channel_groups(UniformGrid const& grid, Page<float const> const& page, IntPlaces const& to);
void decode_channel_groups(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page);

/// All values with one origin and step.
void encode_shared_groups(UniformGrid const& grid, float zero, float scale, Page<float const> const& page,
                          std::byte* to);
void decode_shared_groups(UniformGrid const& grid, float zero, float scale, std::byte const* from,
                          Page<float> const& page);

}  // namespace kvstone
