// Ends of groups of values by vectors, as backends/kernels/group_ends.hpp finds them.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled.

#include "backends/kernels/group_ends.hpp"

#if defined(KVSTONE_GROUP_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_GROUP_LANES_HPP
#undef KVSTONE_GROUP_LANES_HPP
#else
#define KVSTONE_GROUP_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Registers that ends of groups are found in, of at most 256 bits: reducing their lanes takes the same number of instructions
/// for each group, and some processors take two turns for wider ones.
using Ends = hn::CappedTag<float, 8>;
using EndBits = hn::RebindToSigned<Ends>;
/// Groups that are reduced together: one for each lane.
inline constexpr std::size_t groups_at_once = hn::MaxLanes(Ends());

/// Groups of `size` values that kernels take at a time, whatever the size of registers: as many as stay near.
template <std::size_t size>
inline constexpr std::size_t groups_of_block = 2048 / size;

/// Groups side by side or wherever they are; those past the last one of a page are the block's first again.
template <std::size_t size>
struct GroupBlock {
    static constexpr std::size_t most = groups_of_block<size>;
    float const* at[most];
    std::size_t count = 0;  ///< that exist
};

/// The groups of a page one after the other: `per_vector` of them in each vector, `size` values apart.
template <std::size_t size>
class GroupWalk {
  public:
    GroupWalk(float const* values, std::size_t stride, std::size_t per_vector, std::size_t groups)
        : vector_(values), stride_(stride), per_vector_(per_vector), left_(groups) {}

    /// The next groups, of which `count` exist; places are those of memory behind the page where none are left.
    void next(GroupBlock<size>& block) {
        constexpr auto most = GroupBlock<size>::most;
        block.count = left_ < most ? left_ : most;
        left_ -= block.count;
        if (stride_ == per_vector_ * size) {
            for (std::size_t g = 0; g < most; ++g) block.at[g] = vector_ + g * size;
            vector_ += most * size;
        } else {
            for (auto& place : block.at) {
                place = vector_ + in_vector_ * size;
                if (++in_vector_ == per_vector_) {
                    in_vector_ = 0;
                    vector_ += stride_;
                }
            }
        }
        if (block.count == 0) return;
        for (auto g = block.count; g < most; ++g) block.at[g] = block.at[0];
    }

  private:
    float const* vector_;
    std::size_t stride_;
    std::size_t per_vector_;
    std::size_t left_;
    std::size_t in_vector_ = 0;
};

/// Asks for the first half of group g.
template <std::size_t size>
HWY_INLINE void ask_half(GroupBlock<size> const& block, std::size_t g) {
    for (std::size_t i = 0; i < size / 2; i += 16) ask_line(block.at[g] + i);
}

/// finite_ends() of each group that exists, of `size` values, a multiple of 16; arrays have room for all. Half of the values
/// of `ahead` are asked for meanwhile.
template <std::size_t size>
HWY_INLINE void block_ends(GroupBlock<size> const& block, GroupBlock<size> const& ahead, float* low, float* high) {
    using V = hn::Vec<Ends>;
    Ends const d;
    constexpr std::size_t lanes = groups_at_once;
    std::uint64_t odd = 0;
    for (std::size_t first = 0; first < block.count; first += lanes) {
        V lows[lanes];
        V highs[lanes];
#pragma GCC unroll 8
        for (std::size_t g = 0; g < lanes; ++g) {
            ask_half(ahead, first + g);
            auto const* const values = block.at[first + g];
            // Of two operands one of which is NaN, x86 returns the second, and ARM the number.
            auto const value = hn::LoadU(d, values);
            lows[g] = hn::Min(value, hn::Set(d, FLT_MAX));
            highs[g] = hn::Max(value, hn::Set(d, -FLT_MAX));
            for (std::size_t i = lanes; i < size; i += lanes) {
                auto const next = hn::LoadU(d, values + i);
                lows[g] = hn::Min(next, lows[g]);
                highs[g] = hn::Max(next, highs[g]);
            }
        }
        auto const least = reduce_lanes(d, lows, [](V a, V b) KVSTONE_INNER { return hn::Min(a, b); });
        auto const most = reduce_lanes(d, highs, [](V a, V b) KVSTONE_INNER { return hn::Max(a, b); });
        // Either zero becomes +0.
        auto const from = hn::Add(least, hn::Zero(d));
        auto const to = hn::Add(most, hn::Zero(d));
        hn::StoreU(from, d, low + first);
        hn::StoreU(to, d, high + first);
        // Inf, or no number at all: these groups need another look.
        auto const strange =
            hn::Or(hn::Or(hn::Lt(from, hn::Set(d, -FLT_MAX)), hn::Gt(to, hn::Set(d, FLT_MAX))), hn::Gt(from, to));
        odd |= hn::BitsFromMask(d, strange) << first;
    }
    for (std::size_t g = 0; odd != 0 && g < block.count; ++g) {
        if ((odd >> g & 1U) != 0) finite_ends(block.at[g], size, low[g], high[g]);
    }
}

/// largest_magnitude() of each group, likewise.
template <std::size_t size>
HWY_INLINE void block_magnitudes(GroupBlock<size> const& block, GroupBlock<size> const& ahead, float* most) {
    using V = hn::Vec<EndBits>;
    Ends const d;
    EndBits const bits;
    constexpr std::size_t lanes = groups_at_once;
    auto const key = [&](float const* values)
                         KVSTONE_INNER { return hn::BitCast(bits, hn::Abs(hn::LoadU(d, values))); };
    std::uint64_t odd = 0;
    for (std::size_t first = 0; first < block.count; first += lanes) {
        V keys[lanes];
#pragma GCC unroll 8
        for (std::size_t g = 0; g < lanes; ++g) {
            ask_half(ahead, first + g);
            auto const* const values = block.at[first + g];
            keys[g] = key(values);
            for (std::size_t i = lanes; i < size; i += lanes) keys[g] = hn::Max(keys[g], key(values + i));
        }
        auto const reduced = reduce_lanes(bits, keys, [](V a, V b) KVSTONE_INNER { return hn::Max(a, b); });
        hn::StoreU(hn::BitCast(d, reduced), d, most + first);
        odd |= hn::BitsFromMask(bits, hn::Ge(reduced, hn::Set(bits, infinity_bits))) << first;
    }
    for (std::size_t g = 0; odd != 0 && g < block.count; ++g) {
        if ((odd >> g & 1U) != 0) most[g] = largest_magnitude(block.at[g], size);
    }
}

/// finite_ends() of `count` values side by side.
HWY_INLINE void run_ends(float const* values, std::size_t count, float& low, float& high) {
    Floats const d;
    std::size_t const lanes = hn::Lanes(d);
    auto lows = hn::Set(d, FLT_MAX);
    auto highs = hn::Set(d, -FLT_MAX);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto const value = load_ahead(values + i);
        lows = lesser(value, lows);
        highs = greater(value, highs);
    }
    if (i < count) {
        lows = lesser(hn::LoadNOr(hn::Set(d, FLT_MAX), d, values + i, count - i), lows);
        highs = greater(hn::LoadNOr(hn::Set(d, -FLT_MAX), d, values + i, count - i), highs);
    }
    low = hn::ReduceMin(d, lows) + 0.0F;
    high = hn::ReduceMax(d, highs) + 0.0F;
    if (low < -FLT_MAX || high > FLT_MAX || low > high) finite_ends(values, count, low, high);
}

HWY_INLINE float run_magnitude(float const* values, std::size_t count) {
    Ints const d;
    std::size_t const lanes = hn::Lanes(d);
    auto const mask = hn::Set(d, 0x7fffffff);
    auto const* const bits = reinterpret_cast<std::int32_t const*>(values);
    auto most = hn::Zero(d);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        ask_ahead(values + i);
        most = hn::Max(most, hn::And(hn::LoadU(d, bits + i), mask));
    }
    if (i < count) most = hn::Max(most, hn::And(hn::LoadN(d, bits + i, count - i), mask));
    auto const largest = hn::ReduceMax(d, most);
    if (largest >= infinity_bits) return largest_magnitude(values, count);
    return hwy::BitCastScalar<float>(largest);
}

/// row_ends(): finite_ends() of each of `channels` channels that stand side by side in `rows` rows. Half of the rows that
/// follow are asked for meanwhile.
HWY_INLINE void channel_ends(float const* values, std::size_t stride, std::size_t rows, std::size_t channels,
                             float* low, float* high) {
    Floats const d;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    constexpr std::size_t together = 64 / lanes < 8 ? 64 / lanes : 8;
    std::size_t done = 0;
    bool odd = false;
    for (; done + lanes * together <= channels; done += lanes * together) {
        FloatVector lows[together];
        FloatVector highs[together];
        for (std::size_t c = 0; c < together; ++c) {
            lows[c] = hn::Set(d, FLT_MAX);
            highs[c] = hn::Set(d, -FLT_MAX);
        }
        for (std::size_t row = 0; row < rows; ++row) {
            auto const* const from = values + row * stride + done;
            for (std::size_t c = 0; c < together; ++c) {
                if (lanes * c % 32 == 0) prefetch_line(from + rows * stride + lanes * c);
                auto const value = hn::LoadU(d, from + lanes * c);
                lows[c] = lesser(value, lows[c]);
                highs[c] = greater(value, highs[c]);
            }
        }
        for (std::size_t c = 0; c < together; ++c) {
            auto const least = hn::Add(lows[c], hn::Zero(d));
            auto const most = hn::Add(highs[c], hn::Zero(d));
            hn::StoreU(least, d, low + done + lanes * c);
            hn::StoreU(most, d, high + done + lanes * c);
            auto const strange = hn::Or(hn::Or(hn::Lt(least, hn::Set(d, -FLT_MAX)), hn::Gt(most, hn::Set(d, FLT_MAX))),
                                        hn::Gt(least, most));
            odd |= !hn::AllFalse(d, strange);
        }
    }
    for (std::size_t c = 0; c < done && odd; ++c) {
        if (low[c] >= -FLT_MAX && high[c] <= FLT_MAX && low[c] <= high[c]) continue;
        finite_ends(Strided<float const>{values + c, stride}, rows, low[c], high[c]);
    }
    if (done < channels) row_ends(values + done, stride, rows, channels - done, low + done, high + done);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
