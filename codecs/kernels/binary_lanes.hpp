#pragma once
// Range coders side by side: bits of one symbol a lane, all lanes at a time. Format: codecs/kernels/binary_coder.hpp.

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstone {

inline constexpr std::size_t most_coder_lanes = 32;
/// What a symbol moves a lane's place by at the most, and what a load of four bytes needs beyond.
inline constexpr std::uint32_t lane_bytes_ahead = 20;

/// Probabilities are taken to lie 2^-11 or more from 0 and 1, so that one bit moves the range by at most two bytes.
inline constexpr std::uint32_t least_probability = 32;
inline constexpr std::uint32_t largest_probability = 65536 - least_probability;

/// The probability of a 0 in each context, in 2^-16, 256 to a tree of which entry 0 is unused; and where the tree of each
/// lane's symbol begins.
struct LaneContexts {
    std::uint32_t const* probabilities = nullptr;
    std::array<std::uint32_t, most_coder_lanes> trees{};
};

/// Of encoders `value` is low, of decoders what lies between low and the code. Places are bytes from one common address on.
struct BinaryLanes {
    alignas(64) std::array<std::uint32_t, most_coder_lanes> range{};
    alignas(64) std::array<std::uint32_t, most_coder_lanes> value{};
    alignas(64) std::array<std::uint32_t, most_coder_lanes> place{};
    alignas(64) std::array<std::uint32_t, most_coder_lanes> end{};  ///< of decoders: where each lane ends
    bool missing = false;                                           ///< a decoder has come to a lane's end
};

/// One symbol for each of all most_coder_lanes lanes. Writes up to lane_bytes_ahead behind each place.
void encode_lanes(LaneContexts const& contexts, std::uint8_t const* symbols, std::byte* bytes, BinaryLanes& lanes);
/// The opposite. False, with nothing done, where a lane has fewer than lane_bytes_ahead bytes left.
bool decode_lanes(LaneContexts const& contexts, std::byte const* bytes, std::uint8_t* symbols, BinaryLanes& lanes);

// One lane at a time: for small blocks and the ends of large ones, and what tests compare the vectors with.

void encode_in_lane(LaneContexts const& contexts, std::uint8_t symbol, std::byte* bytes, BinaryLanes& lanes,
                    std::size_t lane);
/// Sets lanes.missing where bytes are missing; safe on any bytes.
std::uint8_t decode_in_lane(LaneContexts const& contexts, std::byte const* bytes, BinaryLanes& lanes, std::size_t lane);

}  // namespace kvstone
