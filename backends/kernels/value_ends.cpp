#include "backends/kernels/value_ends.hpp"

#include <cfloat>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/value_ends.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Ends of as many of `count` values as fill registers, NaN passed over but not Inf; returns how many.
HWY_INLINE std::size_t widen_whole(float const* values, std::size_t count, float& low, float& high) {
    Floats const d;
    constexpr std::size_t chains = 4;  // each waits for its last step
    std::size_t const lanes = hn::Lanes(d);
    FloatVector lows[chains];
    FloatVector highs[chains];
    for (std::size_t c = 0; c < chains; ++c) {
        lows[c] = hn::Set(d, low);
        highs[c] = hn::Set(d, high);
    }
    std::size_t done = 0;
    for (; done + lanes * chains <= count; done += lanes * chains) {
        for (std::size_t c = 0; c < chains; ++c) {
            auto const value = load_ahead(values + done + lanes * c);
            lows[c] = lesser(value, lows[c]);
            highs[c] = greater(value, highs[c]);
        }
    }
    low = hn::ReduceMin(d, hn::Min(hn::Min(lows[0], lows[1]), hn::Min(lows[2], lows[3])));
    high = hn::ReduceMax(d, hn::Max(hn::Max(highs[0], highs[1]), hn::Max(highs[2], highs[3])));
    return done;
}

void widen_ends_on(float const* values, std::uint64_t count, float& low, float& high) {
    float wide_low = low;
    float wide_high = high;
    auto done = widen_whole(values, count, wide_low, wide_high);
    if (wide_low < -FLT_MAX || wide_high > FLT_MAX) {
        done = 0;
    } else {
        low = wide_low;
        high = wide_high;
    }
    for (; done < count; ++done) {
        float const value = values[done];
        if (value >= -FLT_MAX && value < low) low = value;
        if (value <= FLT_MAX && value > high) high = value;
    }
}

template <std::size_t N>
HWY_INLINE std::size_t keep(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, N> const& ranges,
                            std::uint32_t* destination) {
    hn::RebindToUnsigned<Floats> const d;
    std::size_t const lanes = hn::Lanes(d);
    std::size_t kept = 0;
    std::size_t done = 0;
    for (; done + lanes <= count; done += lanes) {
        auto const some = hn::LoadU(d, keys + done);
        auto held = hn::MaskFalse(d);
        for (auto const& range : ranges) {
            auto const above = hn::Sub(some, hn::Set(d, range.low));
            held = hn::Or(held, hn::Le(above, hn::Set(d, range.width)));
        }
        // Into a register and then stored whole: compressing stores are slow on some processors.
        hn::StoreU(hn::Compress(some, held), d, destination + kept);
        kept += hn::CountTrue(d, held);
    }
    for (; done < count; ++done) {
        bool held = false;
        for (auto const& range : ranges) held |= range.holds(keys[done]);
        destination[kept] = keys[done];
        kept += held ? 1 : 0;
    }
    return kept;
}

std::size_t keep_of_one(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 1> const& ranges,
                        std::uint32_t* destination) {
    return keep(keys, count, ranges, destination);
}
std::size_t keep_of_two(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 2> const& ranges,
                        std::uint32_t* destination) {
    return keep(keys, count, ranges, destination);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(widen_ends_on);
HWY_EXPORT(keep_of_one);
HWY_EXPORT(keep_of_two);

void widen_ends(float const* values, std::uint64_t count, float& low, float& high) {
    HWY_DYNAMIC_DISPATCH(widen_ends_on)(values, count, low, high);
}
std::size_t keep_keys(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 1> const& ranges,
                      std::uint32_t* destination) {
    return HWY_DYNAMIC_DISPATCH(keep_of_one)(keys, count, ranges, destination);
}
std::size_t keep_keys(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 2> const& ranges,
                      std::uint32_t* destination) {
    return HWY_DYNAMIC_DISPATCH(keep_of_two)(keys, count, ranges, destination);
}

}  // namespace kvstone
#endif
