#pragma once
// Runs of floats to numbers of eight bits and back, with the vector units of the processor. Host only.
//
// What comes out is the same to the last bit as value by value through small_floats.hpp.

#include <cstdint>

#include "codecs/kernels/pages/block_rows.hpp"

namespace kvstone {

enum class Fp8Format : std::uint8_t { e4m3, e5m2 };

/// codes[i] = small_float_code(values[i] * factor) for i < count. What is read lies in memory; what is written starts a
/// cache line where `streaming`, and goes past the cache then.
void fp8_codes_of(Fp8Format format, float const* values, std::uint64_t count, float factor, std::uint8_t* codes,
                  bool streaming);

/// values[i] = small_float_value(codes[i]) * factor, likewise.
void fp8_values_of(Fp8Format format, std::uint8_t const* codes, std::uint64_t count, float factor, float* values,
                   bool streaming);

/// Values of the blocks that the next two code.
inline constexpr std::uint64_t fp8_block_values = 32;

/// The same of rows of such blocks, each with a factor of its own; rows of codes lie one after the other.
void fp8_codes_of_blocks(Fp8Format format, BlockRows const& rows, float const* factors, std::uint8_t* codes);

/// Rows of values start cache lines where `streaming`.
void fp8_values_of_blocks(Fp8Format format, BlockRows const& shape, float const* factors, std::uint8_t const* codes,
                          float* values, bool streaming);

}  // namespace kvstone
