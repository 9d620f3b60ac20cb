// Largest magnitudes of blocks of values, by vectors, as backends/kernels/group_ends.hpp finds them.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h.

#include "codecs/kernels/pages/block_rows.hpp"

#if defined(KVSTONE_PAGE_BLOCK_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_PAGE_BLOCK_LANES_HPP
#undef KVSTONE_PAGE_BLOCK_LANES_HPP
#else
#define KVSTONE_PAGE_BLOCK_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Blocks that are reduced together: one for each lane of a register of at most 256 bits, because reducing takes the same
/// number of instructions for each and some processors take two turns for wider ones.
using Keys = hn::CappedTag<std::int32_t, 8>;
using KeyVector = hn::Vec<Keys>;
inline constexpr std::size_t blocks_together = hn::MaxLanes(Keys());

/// The blocks of rows one after the other, as many at a time as are reduced together. Behind the last one come blocks that
/// were there before: nothing behind the page is read.
template <std::size_t size>
class BlockWalk {
  public:
    static constexpr std::size_t together = blocks_together;

    explicit BlockWalk(BlockRows const& rows)
        : rows_(rows), left_(rows.rows), blocks_left_(rows.blocks()), row_(rows.values) {}

    struct Blocks {
        float const* at[together];
        std::size_t counts[together];  ///< of values, where `size` does not tell
    };
    HWY_INLINE void next(Blocks& blocks) {
        if (size > 0 && rows_.stride == rows_.dim) {
            for (std::size_t g = 0; g < together; ++g) blocks.at[g] = row_ + (g < blocks_left_ ? g : 0) * size;
            row_ += together * size;
            blocks_left_ -= together < blocks_left_ ? together : blocks_left_;
            return;
        }
        for (std::size_t g = 0; g < together; ++g) {
            auto const block = size > 0 ? size : rows_.block;
            blocks.at[g] = row_ + first_;
            if constexpr (size == 0) blocks.counts[g] = rows_.dim - first_ < block ? rows_.dim - first_ : block;
            if (first_ + block < rows_.dim) {
                first_ += block;
            } else if (left_ > 1) {
                first_ = 0;
                row_ += rows_.stride;
                --left_;
            }
        }
    }

  private:
    BlockRows const& rows_;
    std::size_t left_;
    std::size_t blocks_left_;
    float const* row_;
    std::size_t first_ = 0;
};

/// The largest magnitude of a block in one of the lanes: the bits of floats as whole numbers, whose order NaN and Inf end.
template <std::size_t size>
HWY_INLINE KeyVector largest_bits(float const* values, std::size_t count) {
    Floats const d;
    auto const bits = [](FloatVector some)
                          KVSTONE_INNER { return hn::And(hn::BitCast(Ints(), some), hn::Set(Ints(), 0x7fffffff)); };
    constexpr std::size_t lanes = hn::MaxLanes(d);
    auto const end = size > 0 ? size : count;
    auto most = size == 0 && count < lanes ? bits(hn::LoadN(d, values, count)) : bits(hn::LoadU(d, values));
    for (std::size_t i = lanes; i + lanes <= end; i += lanes) most = hn::Max(most, bits(hn::LoadU(d, values + i)));
    if (size == 0 && count > lanes) most = hn::Max(most, bits(hn::LoadU(d, values + count - lanes)));
    if constexpr (lanes > blocks_together) {
        return hn::Max(hn::LowerHalf(Keys(), most), hn::UpperHalf(Keys(), most));
    } else {
        return most;
    }
}

/// The largest magnitude of each block; one with Inf or NaN has that. Writes a register of floats at a time, which may end
/// beyond the last block. `size` is that of all blocks where it is not 0, a multiple of 16: every other line of as many rows
/// that follow is asked for then.
template <std::size_t size>
HWY_INLINE void find_magnitudes(BlockRows const& rows, float* magnitudes) {
    auto const blocks = rows.blocks();
    auto const ahead = rows.rows * rows.stride;
    BlockWalk<size> walk(rows);
    typename BlockWalk<size>::Blocks now;
    for (std::size_t first = 0; first < blocks; first += blocks_together) {
        walk.next(now);
        KeyVector keys[blocks_together];
#pragma GCC unroll 8
        for (std::size_t b = 0; b < blocks_together; ++b) {
            for (std::size_t i = 0; i < size; i += 16) {
                if ((b * size + i) % 32 == 0) prefetch_line(now.at[b] + ahead + i);
            }
            keys[b] = largest_bits<size>(now.at[b], size > 0 ? size : now.counts[b]);
        }
        auto const most =
            reduce_lanes(Keys(), keys, [](KeyVector a, KeyVector b) KVSTONE_INNER { return hn::Max(a, b); });
        hn::StoreU(hn::BitCast(hn::RebindToFloat<Keys>(), most), hn::RebindToFloat<Keys>(), magnitudes + first);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
