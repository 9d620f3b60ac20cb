#include "backends/kernels/casts.hpp"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/casts.cpp"
#define KVSTONE_VECTORS_OF_ANY_SIZE
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/cast_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Values of a line of 16-bit numbers.
constexpr std::uint64_t line_halves = cache_line_bytes / sizeof(std::uint16_t);

/// Two registers' worth of halves, in one store where they fill a register: what reads them next would wait for two.
template <bool streaming>
HWY_INLINE void put_halves(HalfVector low, HalfVector high, std::uint16_t* place) {
#if HWY_HAVE_SCALABLE
    hn::StoreU(low, Halves(), place);
    hn::StoreU(high, Halves(), place + float_lanes());
#else
    UnsignedCodeWords const whole;
    put<streaming>(hn::Combine(whole, high, low), whole, place);
#endif
}

struct FloatsToHalves {
    template <bool streaming>
    static HWY_INLINE void two(FloatVector low, FloatVector high, std::uint16_t* place) {
        put_halves<streaming>(halves_of(low), halves_of(high), place);
    }
};
struct FloatsToBfloats {
    template <bool streaming>
    static HWY_INLINE void two(FloatVector low, FloatVector high, std::uint16_t* place) {
        UnsignedCodeWords const d;
        auto const words =
            hn::ConcatOdd(d, hn::BitCast(d, bfloats_in_words(high)), hn::BitCast(d, bfloats_in_words(low)));
        put<streaming>(words, d, place);
    }
};
struct FloatsToNearestHalves {
    template <bool streaming>
    static HWY_INLINE void two(FloatVector low, FloatVector high, std::uint16_t* place) {
        FloatsToHalves::two<streaming>(finite_saturated(low, largest_half), finite_saturated(high, largest_half),
                                       place);
    }
};
struct FloatsToNearestBfloats {
    template <bool streaming>
    static HWY_INLINE void two(FloatVector low, FloatVector high, std::uint16_t* place) {
        FloatsToBfloats::two<streaming>(finite_saturated(low, largest_bfloat), finite_saturated(high, largest_bfloat),
                                        place);
    }
};
struct FloatsToSaturatedHalves {
    template <bool streaming>
    static HWY_INLINE void two(FloatVector low, FloatVector high, std::uint16_t* place) {
        FloatsToHalves::two<streaming>(saturated(low, largest_half), saturated(high, largest_half), place);
    }
};
struct HalvesToFloats {
    static HWY_INLINE FloatVector one(HalfVector halves) { return floats_of_halves(halves); }
};
struct BfloatsToFloats {
    static HWY_INLINE FloatVector one(HalfVector halves) { return floats_of_bfloats(halves); }
};

/// One line of 16-bit numbers.
template <class Cast, bool streaming>
HWY_INLINE void narrow_line(float const* from, std::uint16_t* to) {
    Floats const d;
    auto const lanes = float_lanes();
    for (std::uint64_t i = 0; i < line_halves; i += 2 * lanes) {
        Cast::template two<streaming>(hn::LoadU(d, from + i), hn::LoadU(d, from + i + lanes), to + i);
    }
}
template <class Cast, bool streaming>
HWY_INLINE void widen_line(std::uint16_t const* from, float* to) {
    auto const lanes = float_lanes();
    for (std::uint64_t i = 0; i < line_halves; i += lanes) {
        put<streaming>(Cast::one(hn::LoadU(Halves(), from + i)), Floats(), to + i);
    }
}

template <class Cast, bool streaming>
HWY_INLINE void narrow_lines(float const* from, std::uint16_t* to, std::uint64_t count, bool ahead) {
    std::uint64_t done = 0;
    for (; done + line_halves <= count; done += line_halves) {
        if (ahead) ask_stream(from + done, line_halves * sizeof(float));
        narrow_line<Cast, streaming>(from + done, to + done);
    }
    if (done == count) return;
    alignas(cache_line_bytes) float values[line_halves] = {};
    alignas(cache_line_bytes) std::uint16_t halves[line_halves];
    std::memcpy(values, from + done, (count - done) * sizeof(*from));
    narrow_line<Cast, false>(values, halves);
    std::memcpy(to + done, halves, (count - done) * sizeof(*to));
}

template <class Cast, bool streaming>
HWY_INLINE void widen_lines(std::uint16_t const* from, float* to, std::uint64_t count, bool ahead) {
    std::uint64_t done = 0;
    for (; done + line_halves <= count; done += line_halves) {
        if (ahead) ask_stream(from + done, cache_line_bytes);
        widen_line<Cast, streaming>(from + done, to + done);
    }
    if (done == count) return;
    alignas(cache_line_bytes) std::uint16_t halves[line_halves] = {};
    alignas(cache_line_bytes) float values[line_halves];
    std::memcpy(halves, from + done, (count - done) * sizeof(*from));
    widen_line<Cast, false>(halves, values);
    std::memcpy(to + done, values, (count - done) * sizeof(*to));
}

inline bool starts_line(void const* place) { return reinterpret_cast<std::uintptr_t>(place) % cache_line_bytes == 0; }

template <class Cast>
HWY_INLINE void narrow(float const* from, std::uint16_t* to, std::uint64_t count, CastPlaces places) {
    if (places.streaming && starts_line(to)) {
        narrow_lines<Cast, true>(from, to, count, places.ahead);
    } else {
        narrow_lines<Cast, false>(from, to, count, places.ahead);
    }
}
template <class Cast>
HWY_INLINE void widen(std::uint16_t const* from, float* to, std::uint64_t count, CastPlaces places) {
    if (places.streaming && starts_line(to)) {
        widen_lines<Cast, true>(from, to, count, places.ahead);
    } else {
        widen_lines<Cast, false>(from, to, count, places.ahead);
    }
}

void to_halves(float const* from, std::uint16_t* to, std::uint64_t count, CastPlaces places) {
    narrow<FloatsToHalves>(from, to, count, places);
}
void to_bfloats(float const* from, std::uint16_t* to, std::uint64_t count, CastPlaces places) {
    narrow<FloatsToBfloats>(from, to, count, places);
}
void to_nearest_halves(float const* from, std::uint16_t* to, std::uint64_t count, CastPlaces places) {
    narrow<FloatsToNearestHalves>(from, to, count, places);
}
void to_nearest_bfloats(float const* from, std::uint16_t* to, std::uint64_t count, CastPlaces places) {
    narrow<FloatsToNearestBfloats>(from, to, count, places);
}
void to_saturated_halves(float const* from, std::uint16_t* to, std::uint64_t count) {
    narrow_lines<FloatsToSaturatedHalves, false>(from, to, count, false);
}
void of_halves(std::uint16_t const* from, float* to, std::uint64_t count, CastPlaces places) {
    widen<HalvesToFloats>(from, to, count, places);
}
void of_bfloats(std::uint16_t const* from, float* to, std::uint64_t count, CastPlaces places) {
    widen<BfloatsToFloats>(from, to, count, places);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(to_halves);
HWY_EXPORT(to_bfloats);
HWY_EXPORT(to_nearest_halves);
HWY_EXPORT(to_nearest_bfloats);
HWY_EXPORT(to_saturated_halves);
HWY_EXPORT(of_halves);
HWY_EXPORT(of_bfloats);

namespace {

template <class T>
std::uint16_t* bits_of(T* numbers) {
    return reinterpret_cast<std::uint16_t*>(numbers);
}
template <class T>
std::uint16_t const* bits_of(T const* numbers) {
    return reinterpret_cast<std::uint16_t const*>(numbers);
}

}  // namespace

void cast_values(float const* from, Float16* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(to_halves)(from, bits_of(to), count, places);
}
void cast_values(float const* from, BFloat16* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(to_bfloats)(from, bits_of(to), count, places);
}
void cast_values(Float16 const* from, float* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(of_halves)(bits_of(from), to, count, places);
}
void cast_values(BFloat16 const* from, float* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(of_bfloats)(bits_of(from), to, count, places);
}
void cast_to_nearest(float const* from, Float16* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(to_nearest_halves)(from, bits_of(to), count, places);
}
void cast_to_nearest(float const* from, BFloat16* to, std::uint64_t count, CastPlaces places) {
    HWY_DYNAMIC_DISPATCH(to_nearest_bfloats)(from, bits_of(to), count, places);
}
void cast_saturated(float const* from, void* halves, std::uint64_t count) {
    HWY_DYNAMIC_DISPATCH(to_saturated_halves)(from, static_cast<std::uint16_t*>(halves), count);
}
void cast_halves(void const* halves, float* to, std::uint64_t count) {
    HWY_DYNAMIC_DISPATCH(of_halves)(static_cast<std::uint16_t const*>(halves), to, count, CastPlaces{});
}

}  // namespace kvstone
#endif
