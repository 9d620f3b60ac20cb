#pragma once
// Bytes coded bit by bit with a binary range coder, each bit with a probability that adapts: what the arithmetic coder and
// CABAC share.
//
// A byte is eight bits, its highest first; the bits before it within the byte pick the bit's context, so that one byte has a
// tree of 255 contexts. Symbol i is coded by lane i mod L: L = 32 range coders for blocks of 65536 symbols or more, 4 from 4096
// on, else 1; always 1 where rows are looked at that are shorter than 32. L symbols at a time are coded with the contexts as
// they are; then the contexts learn them in order. So bits of all lanes can be worked on at a time, and all lanes learn from
// everything.
// Range coder (G. Martin, 1979; carries as in LZMA): range and low, 32 bits. A bit of probability p = P(0), in 2^-16: 0 takes
// the lower part of the range, floor(range p / 2^16), 1 the rest. Below 2^24 the range moves up by bytes.
// Format of a block:
//   4 bytes    for each lane but the last, its bytes, little-endian
//   the lanes  each: the bytes of low, in order, and the last four of them at the end
// A decoder ends with all bytes taken and nothing left over: it refuses what does not.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codecs/kernels/binary_lanes.hpp"
#include "codecs/kernels/coded_blocks.hpp"

namespace kvstone {

inline constexpr std::size_t least_symbols_for_lanes = 4096;
inline constexpr std::size_t least_symbols_for_most_lanes = 65536;

constexpr std::size_t coder_lanes(std::size_t symbols, std::uint64_t row_bytes) {
    if (symbols < least_symbols_for_lanes || (row_bytes > 0 && row_bytes < most_coder_lanes)) return 1;
    return symbols < least_symbols_for_most_lanes ? 4 : most_coder_lanes;
}
/// Bytes that a lane takes beyond those of its symbols.
inline constexpr std::size_t lane_room = lane_bytes_ahead + 4;

/// 2^24 / (n + 2).
inline constexpr auto kt_steps = [] {
    std::array<std::int64_t, 1023> steps{};
    for (std::uint32_t n = 0; n < steps.size(); ++n) steps[n] = (1U << 24) / (n + 2);
    return steps;
}();

/// The estimator of Krichevsky and Trofimov (1981): after n bits, k of them 0, P(0) = (k + 1/2) / (n + 1). As a step:
/// P += (bit is 0 - P) / (n + 2) before n is raised. From 1022 bits on the step is 1 / 1024: older bits fade.
class KtContext {
  public:
    std::uint32_t probability() const { return zero_ >> 16; }
    void update(std::uint32_t bit) {
        auto const target = bit == 0 ? std::int64_t{0xffffffff} : std::int64_t{0};
        zero_ = static_cast<std::uint32_t>(zero_ + ((target - zero_) * kt_steps[bits_] >> 24));
        bits_ += bits_ < most_bits;
    }

  private:
    static constexpr std::uint32_t most_bits = 1022;

    std::uint32_t zero_ = 1U << 31;
    std::uint32_t bits_ = 0;
};

/// The mean of two estimates, which move by 1/16 and by 1/128 of what a bit errs (as the contexts of H.266, 9.3.4.3.2.2).
class ShiftContext {
  public:
    std::uint32_t probability() const { return (fast_ + slow_) >> 1; }
    void update(std::uint32_t bit) {
        auto const target = bit == 0 ? 65535 : 0;
        fast_ = static_cast<std::uint32_t>(static_cast<std::int32_t>(fast_) +
                                           ((target - static_cast<std::int32_t>(fast_)) >> 4));
        slow_ = static_cast<std::uint32_t>(static_cast<std::int32_t>(slow_) +
                                           ((target - static_cast<std::int32_t>(slow_)) >> 7));
    }

  private:
    std::uint32_t fast_ = 1U << 15;
    std::uint32_t slow_ = 1U << 15;
};

/// Which tree of contexts a symbol takes: by its byte within the element, and by the three highest bits of the symbol a row
/// before it, where there is one in the block.
struct TreeChoice {
    std::uint32_t element_bytes = 1;
    std::uint64_t row_bytes = 0;  ///< 0: rows are not looked at

    std::size_t trees() const { return element_bytes * (row_bytes > 0 ? std::size_t{9} : 1); }
    /// symbols: those of the block so far; first: as in SymbolBlock.
    std::size_t tree_of(std::uint8_t const* symbols, std::size_t index, std::uint64_t first) const {
        std::size_t const byte = element_bytes == 1 ? 0 : (first + index) % element_bytes;
        if (row_bytes == 0) return byte;
        std::size_t const before = index < row_bytes ? 8 : symbols[index - row_bytes] >> 5;
        return byte * 9 + before;
    }
};

/// Codes bytes with contexts of one kind, as a Coder of coded_blocks.hpp without tables. Blocks begin with contexts that have
/// seen nothing.
template <class Context>
class BinaryCoder {
  public:
    explicit BinaryCoder(TreeChoice const& choice) : choice_(choice) {}

    std::size_t most_table_bytes() const { return 0; }
    std::size_t tables_bytes() const { return choice_.trees() * 256 * (sizeof(Context) + sizeof(std::uint32_t)); }
    /// A symbol takes at most 8 x 11 bits.
    std::size_t scratch_bytes(std::size_t count) const { return 11 * count + (11 + lane_room) * most_coder_lanes; }
    std::size_t counters() const { return 0; }
    void count(SymbolBlock const&, std::uint64_t*) const {}
    std::size_t write_table(std::uint64_t const*, std::byte*) const { return 0; }
    std::size_t table_bytes(std::byte const*, std::size_t) const { return 0; }
    void load_codes(std::byte const*, std::size_t, std::byte*) const {}
    bool load_lookup(std::byte const*, std::size_t, std::byte*) const { return true; }
    std::size_t encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                       std::byte* scratch) const;
    bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols, std::size_t count,
                std::uint64_t first) const;

  private:
    TreeChoice choice_;
};

extern template class BinaryCoder<KtContext>;
extern template class BinaryCoder<ShiftContext>;

}  // namespace kvstone
