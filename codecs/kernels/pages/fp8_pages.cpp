#include "codecs/kernels/pages/fp8_pages.hpp"

#include <cstring>

#include "backends/kernels/small_floats.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/fp8_pages.cpp"
#define KVSTONE_VECTORS_OF_ANY_SIZE
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/small_float_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Codes of a cache line.
constexpr std::uint64_t line_codes = cache_line_bytes;

/// Whether numbers go through binary16, which has room for both formats: E5M2 is its upper half, and 2^-8 of a number of E4M3
/// has its exponent, denormals included. Much less is then done in words of 32 bits.
constexpr bool through_halves = has_half_instructions && !HWY_HAVE_SCALABLE;

template <class Format>
constexpr bool is_e4m3 = Format::mantissa == 3;

/// Values rounded to the format, as halves: NaN stays, what is too large is Inf or too large.
template <class Format>
HWY_INLINE HalfVector rounded_halves(FloatVector values) {
    Floats const d;
    Ints const di;
    constexpr int exponent_place = 23;
    constexpr std::int32_t least = (127 - 14) << exponent_place;  // of both formats, as it is of binary16
    constexpr std::int32_t most = (127 + 24) << exponent_place;   // so that the next sum is finite
    if constexpr (is_e4m3<Format>) values = hn::Mul(values, hn::Set(d, 0x1p-8F));
    auto const exponent = hn::And(hn::BitCast(di, values), hn::Set(di, 0x7f800000));
    auto const within = hn::Min(hn::Max(exponent, hn::Set(di, least)), hn::Set(di, most));
    // The sum with one and a half times a power of two far above is rounded where the format's mantissa ends. What rounds to
    // 0 keeps its sign.
    constexpr std::int32_t above = ((23 - static_cast<int>(Format::mantissa)) << exponent_place) + (1 << 22);
    auto const power = hn::BitCast(d, hn::Add(within, hn::Set(di, above)));
    auto const rounded = hn::CopySign(hn::Sub(hn::Add(values, power), power), values);
    return hn::BitCast(Halves(), hn::DemoteTo(hn::Rebind<hwy::float16_t, Floats>(), rounded));
}

/// The codes of four registers.
template <class Format>
HWY_INLINE hn::Vec<CodeBytes> codes_of_four(FloatVector a, FloatVector b, FloatVector c, FloatVector e) {
    Ints const di;
    if constexpr (through_halves) {
        CodeBytes const bytes;
        UnsignedCodeWords const words;
        CodeWords const signed_words;
        auto const low = hn::Combine(words, rounded_halves<Format>(b), rounded_halves<Format>(a));
        auto const high = hn::Combine(words, rounded_halves<Format>(e), rounded_halves<Format>(c));
        auto const magnitudes_of = [&](hn::Vec<UnsignedCodeWords> halves) HWY_ATTR {
            auto const shifted = hn::ShiftRight<8>(hn::ShiftLeft<1>(halves));
            return hn::BitCast(signed_words, is_e4m3<Format> ? shifted : hn::ShiftRight<1>(shifted));
        };
        auto const magnitude = hn::OrderedDemote2To(bytes, magnitudes_of(low), magnitudes_of(high));
        // Negative halves are less than -128 as whole numbers.
        auto const with_signs =
            hn::OrderedDemote2To(SignedCodeBytes(), hn::BitCast(signed_words, low), hn::BitCast(signed_words, high));
        auto const sign = hn::And(hn::BitCast(bytes, with_signs), hn::Set(bytes, std::uint8_t{0x80}));
        constexpr std::uint8_t infinity = is_e4m3<Format> ? 0xf8 : 0x7c;
        auto const number = hn::Min(magnitude, hn::Set(bytes, static_cast<std::uint8_t>(Format::largest)));
        auto const is_nan = hn::Gt(magnitude, hn::Set(bytes, infinity));
        return hn::Or(hn::IfThenElse(is_nan, hn::Set(bytes, static_cast<std::uint8_t>(Format::nan)), number), sign);
    } else {
        auto const codes = [&](FloatVector values)
                               HWY_ATTR { return hn::BitCast(di, small_float_codes<Format>(values)); };
        return bytes_of<false>(codes(a), codes(b), codes(c), codes(e));
    }
}

template <class Format, bool streaming>
HWY_INLINE void encode_line(float const* from, FloatVector factor, std::uint8_t* to) {
    auto const lanes = float_lanes();
    auto const values = [&](std::uint64_t place)
                            HWY_ATTR { return hn::Mul(hn::LoadU(Floats(), from + place), factor); };
    for (std::uint64_t i = 0; i < line_codes; i += 4 * lanes) {
        auto const codes =
            codes_of_four<Format>(values(i), values(i + lanes), values(i + 2 * lanes), values(i + 3 * lanes));
        put<streaming>(codes, CodeBytes(), to + i);
    }
}

/// Two registers' worth of codes, none of which is Inf or NaN.
template <class Format, bool streaming>
HWY_INLINE void decode_two(std::uint8_t const* from, FloatVector factor, float* to) {
    Floats const d;
    UnsignedCodeWords const words;
    hn::Rebind<std::int8_t, UnsignedCodeWords> const bytes;
    auto const wide =
        hn::BitCast(words, hn::PromoteTo(CodeWords(), hn::LoadU(bytes, reinterpret_cast<std::int8_t const*>(from))));
    auto const halves = is_e4m3<Format> ? hn::And(hn::ShiftLeft<7>(wide), hn::Set(words, std::uint16_t{0xbfff}))
                                        : hn::ShiftLeft<8>(wide);
    auto const put_one = [&](HalfVector half, float* place) HWY_ATTR {
        auto value = floats_of_halves(half);
        if constexpr (is_e4m3<Format>) value = hn::Mul(value, hn::Set(d, 0x1p8F));
        put<streaming>(hn::Mul(value, factor), d, place);
    };
    put_one(hn::LowerHalf(Halves(), halves), to);
    put_one(hn::UpperHalf(Halves(), halves), to + float_lanes());
}

template <class Format, bool streaming>
HWY_INLINE void decode_line(std::uint8_t const* from, FloatVector factor, float* to) {
    auto const lanes = float_lanes();
    if constexpr (through_halves) {
        CodeBytes const bytes;
        bool numbers = true;
        for (std::uint64_t i = 0; i < line_codes; i += hn::Lanes(bytes)) {
            auto const magnitude = hn::And(hn::LoadU(bytes, from + i), hn::Set(bytes, std::uint8_t{0x7f}));
            auto const beyond = hn::Gt(magnitude, hn::Set(bytes, static_cast<std::uint8_t>(Format::largest)));
            numbers = numbers && hn::AllFalse(bytes, beyond);
        }
        if (HWY_LIKELY(numbers)) {
            for (std::uint64_t i = 0; i < line_codes; i += 2 * lanes)
                decode_two<Format, streaming>(from + i, factor, to + i);
            return;
        }
    }
    hn::Rebind<std::uint8_t, Floats> const bytes;
    for (std::uint64_t i = 0; i < line_codes; i += lanes) {
        auto const values = hn::Mul(small_float_values<Format>(hn::LoadU(bytes, from + i)), factor);
        put<streaming>(values, Floats(), to + i);
    }
}

template <class Format, bool streaming>
HWY_INLINE void encode_lines(float const* from, std::uint64_t count, float factor, std::uint8_t* to) {
    auto const factors = hn::Set(Floats(), factor);
    std::uint64_t done = 0;
    for (; done + line_codes <= count; done += line_codes) {
        prefetch(reinterpret_cast<std::byte const*>(from + done) + prefetch_distance_bytes, line_codes * sizeof(float));
        encode_line<Format, streaming>(from + done, factors, to + done);
    }
    if (done == count) return;
    alignas(cache_line_bytes) float values[line_codes] = {};
    alignas(cache_line_bytes) std::uint8_t codes[line_codes];
    std::memcpy(values, from + done, (count - done) * sizeof(*from));
    encode_line<Format, false>(values, factors, codes);
    std::memcpy(to + done, codes, count - done);
}

template <class Format, bool streaming>
HWY_INLINE void decode_lines(std::uint8_t const* from, std::uint64_t count, float factor, float* to) {
    auto const factors = hn::Set(Floats(), factor);
    std::uint64_t done = 0;
    for (; done + line_codes <= count; done += line_codes) {
        prefetch_line(from + done + prefetch_distance_bytes);
        decode_line<Format, streaming>(from + done, factors, to + done);
    }
    if (done == count) return;
    alignas(cache_line_bytes) std::uint8_t codes[line_codes] = {};
    alignas(cache_line_bytes) float values[line_codes];
    std::memcpy(codes, from + done, count - done);
    decode_line<Format, false>(codes, factors, values);
    std::memcpy(to + done, values, (count - done) * sizeof(*to));
}

void e4m3_codes(float const* from, std::uint64_t count, float factor, std::uint8_t* to, bool streaming) {
    streaming ? encode_lines<E4M3, true>(from, count, factor, to) : encode_lines<E4M3, false>(from, count, factor, to);
}
void e5m2_codes(float const* from, std::uint64_t count, float factor, std::uint8_t* to, bool streaming) {
    streaming ? encode_lines<E5M2, true>(from, count, factor, to) : encode_lines<E5M2, false>(from, count, factor, to);
}
void e4m3_values(std::uint8_t const* from, std::uint64_t count, float factor, float* to, bool streaming) {
    streaming ? decode_lines<E4M3, true>(from, count, factor, to) : decode_lines<E4M3, false>(from, count, factor, to);
}
void e5m2_values(std::uint8_t const* from, std::uint64_t count, float factor, float* to, bool streaming) {
    streaming ? decode_lines<E5M2, true>(from, count, factor, to) : decode_lines<E5M2, false>(from, count, factor, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(e4m3_codes);
HWY_EXPORT(e5m2_codes);
HWY_EXPORT(e4m3_values);
HWY_EXPORT(e5m2_values);

void fp8_codes_of(Fp8Format format, float const* values, std::uint64_t count, float factor, std::uint8_t* codes,
                  bool streaming) {
    if (format == Fp8Format::e4m3) {
        HWY_DYNAMIC_DISPATCH(e4m3_codes)(values, count, factor, codes, streaming);
    } else {
        HWY_DYNAMIC_DISPATCH(e5m2_codes)(values, count, factor, codes, streaming);
    }
}

void fp8_values_of(Fp8Format format, std::uint8_t const* codes, std::uint64_t count, float factor, float* values,
                   bool streaming) {
    if (format == Fp8Format::e4m3) {
        HWY_DYNAMIC_DISPATCH(e4m3_values)(codes, count, factor, values, streaming);
    } else {
        HWY_DYNAMIC_DISPATCH(e5m2_values)(codes, count, factor, values, streaming);
    }
}

}  // namespace kvstone
#endif
