// Rows of scales and zero points as codecs/kernels/scales.hpp stores them, by vectors.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled.

#include <cfloat>
#include <cstring>

#include "codecs/kernels/scales.hpp"

#if defined(KVSTONE_SCALE_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_SCALE_LANES_HPP
#undef KVSTONE_SCALE_LANES_HPP
#else
#define KVSTONE_SCALE_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

using HalfFloats = hn::Rebind<hwy::float16_t, Floats>;

/// The halves at `place` as floats; may read no more than `count` of them.
inline void load_half_row(std::byte const* place, std::size_t count, float* values) {
    Floats const d;
    HalfFloats const halves;
    auto const* const from = reinterpret_cast<hwy::float16_t const*>(place);
    std::size_t const lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) hn::StoreU(hn::PromoteTo(d, hn::LoadU(halves, from + i)), d, values + i);
    if (i < count) floats_of_halves(place + i * sizeof(Float16), count - i, values + i);
}

/// store_halves(): finite values within +-65504 as halves, and then as these have them.
inline void store_half_row(float* values, std::size_t count, std::byte* place) {
    Floats const d;
    HalfFloats const halves;
    auto const most = hn::Set(d, 65504.0F);
    auto* const to = reinterpret_cast<hwy::float16_t*>(place);
    std::size_t const lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto const value = hn::Clamp(hn::LoadU(d, values + i), hn::Neg(most), most);
        auto const stored = hn::DemoteTo(halves, value);
        hn::StoreU(stored, halves, to + i);
        hn::StoreU(hn::PromoteTo(d, stored), d, values + i);
    }
    if (i < count) store_halves(values + i, count - i, place + i * sizeof(Float16));
}

inline void store_scale_row(ScaleFormat format, float* scales, std::size_t count, std::byte* place) {
    if (format == ScaleFormat::fp16) return store_half_row(scales, count, place);
    store_scales(format, scales, count, place);
}
inline void store_zero_row(ScaleFormat format, float* zeros, std::size_t count, std::byte* place) {
    if (format == ScaleFormat::fp32) {
        std::memcpy(place, zeros, count * sizeof(float));
    } else {
        store_half_row(zeros, count, place);
    }
}
inline void load_scale_row(ScaleFormat format, std::byte const* place, std::size_t count, float* scales) {
    if (format == ScaleFormat::fp16) return load_half_row(place, count, scales);
    load_scales(format, place, count, scales);
}
inline void load_zero_row(ScaleFormat format, std::byte const* place, std::size_t count, float* zeros) {
    if (format == ScaleFormat::fp32) {
        std::memcpy(zeros, place, count * sizeof(float));
    } else {
        load_half_row(place, count, zeros);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
