#pragma once
// Elements of two or four bytes as one plane for each byte, and back. Host only.
//
// With `streaming` stores go past the cache, for planes that are larger than it. That needs planes and elements
// that start cache lines; others are written through the cache whatever is asked. The results are the same either way.

#include <array>
#include <cstdint>

namespace kvstone {

/// high[i] and low[i] are the two bytes of halves[i], for i < count.
void split_halves(std::uint16_t const* halves, std::uint64_t count, std::uint8_t* high, std::uint8_t* low,
                  bool streaming);
/// The opposite.
void merge_halves(std::uint8_t const* high, std::uint8_t const* low, std::uint64_t count, std::uint16_t* halves,
                  bool streaming);

/// planes[p][i] is byte p of words[i] counted from the highest, for i < count.
void split_words_of_four(std::uint32_t const* words, std::uint64_t count, std::array<std::uint8_t*, 4> const& planes,
                         bool streaming);
/// The opposite.
void merge_words_of_four(std::array<std::uint8_t const*, 4> const& planes, std::uint64_t count, std::uint32_t* words);

}  // namespace kvstone
