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

/// Factors of runs of values, a register of them for the values from some place on: one of all, or one of each block.
struct OneFactor {
    float factor;
    HWY_INLINE FloatVector operator()(std::uint64_t) const { return hn::Set(Floats(), factor); }
};
struct BlockFactors {
    float const* factors;
    HWY_INLINE FloatVector operator()(std::uint64_t place) const {
        return hn::Set(Floats(), factors[place / fp8_block_values]);
    }
};

/// Codes of a line's values, whose factors are factor(0) and so on.
template <class Format, bool streaming, class Factor>
HWY_INLINE void encode_line(float const* from, Factor const& factor, std::uint8_t* to) {
    auto const lanes = float_lanes();
    auto const values = [&](std::uint64_t place)
                            KVSTONE_INNER { return hn::Mul(hn::LoadU(Floats(), from + place), factor(place)); };
    for (std::uint64_t i = 0; i < line_codes; i += 4 * lanes) {
        auto const codes =
            codes_of_four<Format>(values(i), values(i + lanes), values(i + 2 * lanes), values(i + 3 * lanes));
        put<streaming>(codes, CodeBytes(), to + i);
    }
}

/// Two registers' worth of codes, none of which is Inf or NaN.
template <class Format, bool streaming>
HWY_INLINE void decode_two(std::uint8_t const* from, FloatVector low_factor, FloatVector high_factor, float* to) {
    Floats const d;
    UnsignedCodeWords const words;
    hn::Rebind<std::int8_t, UnsignedCodeWords> const bytes;
    auto const wide =
        hn::BitCast(words, hn::PromoteTo(CodeWords(), hn::LoadU(bytes, reinterpret_cast<std::int8_t const*>(from))));
    auto const halves = is_e4m3<Format> ? hn::And(hn::ShiftLeft<7>(wide), hn::Set(words, std::uint16_t{0xbfff}))
                                        : hn::ShiftLeft<8>(wide);
    auto const put_one = [&](HalfVector half, FloatVector factor, float* place) KVSTONE_INNER {
        auto value = floats_of_halves(half);
        if constexpr (is_e4m3<Format>) value = hn::Mul(value, hn::Set(d, 0x1p8F));
        put<streaming>(hn::Mul(value, factor), d, place);
    };
    put_one(hn::LowerHalf(Halves(), halves), low_factor, to);
    put_one(hn::UpperHalf(Halves(), halves), high_factor, to + float_lanes());
}

template <class Format, bool streaming, class Factor>
HWY_INLINE void decode_line(std::uint8_t const* from, Factor const& factor, float* to) {
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
                decode_two<Format, streaming>(from + i, factor(i), factor(i + lanes), to + i);
            return;
        }
    }
    hn::Rebind<std::uint8_t, Floats> const bytes;
    for (std::uint64_t i = 0; i < line_codes; i += lanes) {
        auto const values = hn::Mul(small_float_values<Format>(hn::LoadU(bytes, from + i)), factor(i));
        put<streaming>(values, Floats(), to + i);
    }
}

/// Calls line(first value) for each whole line of `count` values, and then rest(first value) where some are left.
template <class Line, class Rest>
HWY_INLINE void for_lines(std::uint64_t count, Line const& line, Rest const& rest) {
    std::uint64_t done = 0;
    for (; done + line_codes <= count; done += line_codes) line(done);
    if (done < count) rest(done);
}

/// Codes of `count` values. ask_ahead(i) is called before values from i on are read.
template <class Format, bool streaming, class Factor, class Ask>
HWY_INLINE void encode_lines(float const* from, std::uint64_t count, Factor const& factor, std::uint8_t* to,
                             Ask const& ask_ahead) {
    auto const line = [&](std::uint64_t done) KVSTONE_INNER {
        ask_ahead(done);
        auto const of_line = [&](std::uint64_t i) KVSTONE_INNER { return factor(done + i); };
        encode_line<Format, streaming>(from + done, of_line, to + done);
    };
    for_lines(count, line, [&](std::uint64_t done) KVSTONE_INNER {
        alignas(cache_line_bytes) float values[line_codes] = {};
        alignas(cache_line_bytes) std::uint8_t codes[line_codes];
        std::memcpy(values, from + done, (count - done) * sizeof(*from));
        // Values that do not exist have the last one's factor.
        auto const of_rest = [&](std::uint64_t i)
                                 KVSTONE_INNER { return factor(done + i < count ? done + i : count - 1); };
        encode_line<Format, false>(values, of_rest, codes);
        std::memcpy(to + done, codes, count - done);
    });
}

template <class Format, bool streaming, class Factor>
HWY_INLINE void decode_lines(std::uint8_t const* from, std::uint64_t count, Factor const& factor, float* to) {
    auto const line = [&](std::uint64_t done) KVSTONE_INNER {
        ask_stream(from + done, cache_line_bytes);
        auto const of_line = [&](std::uint64_t i) KVSTONE_INNER { return factor(done + i); };
        decode_line<Format, streaming>(from + done, of_line, to + done);
    };
    for_lines(count, line, [&](std::uint64_t done) KVSTONE_INNER {
        alignas(cache_line_bytes) std::uint8_t codes[line_codes] = {};
        alignas(cache_line_bytes) float values[line_codes];
        std::memcpy(codes, from + done, count - done);
        auto const of_rest = [&](std::uint64_t i)
                                 KVSTONE_INNER { return factor(done + i < count ? done + i : count - 1); };
        decode_line<Format, false>(codes, of_rest, values);
        std::memcpy(to + done, values, (count - done) * sizeof(*to));
    });
}

template <class Format>
HWY_INLINE void codes_of_run(float const* from, std::uint64_t count, float factor, std::uint8_t* to, bool streaming) {
    auto const ask_ahead = [&](std::uint64_t done)
                               KVSTONE_INNER { ask_stream(from + done, line_codes * sizeof(float)); };
    streaming ? encode_lines<Format, true>(from, count, OneFactor{factor}, to, ask_ahead)
              : encode_lines<Format, false>(from, count, OneFactor{factor}, to, ask_ahead);
}
template <class Format>
HWY_INLINE void values_of_run(std::uint8_t const* from, std::uint64_t count, float factor, float* to, bool streaming) {
    streaming ? decode_lines<Format, true>(from, count, OneFactor{factor}, to)
              : decode_lines<Format, false>(from, count, OneFactor{factor}, to);
}

/// Rows of whole blocks, where they lie without gaps, as one.
HWY_INLINE BlockRows joined_rows(BlockRows rows) {
    if (rows.stride == rows.dim && rows.dim % fp8_block_values == 0) {
        rows.stride = rows.dim *= rows.rows;
        rows.rows = 1;
    }
    return rows;
}
template <class Format>
HWY_INLINE void codes_of_rows(BlockRows const& given, float const* factors, std::uint8_t* to) {
    auto const ahead = given.rows * given.stride;
    auto const rows = joined_rows(given);
    for (std::size_t r = 0; r < rows.rows; ++r) {
        auto const* const from = rows.values + r * rows.stride;
        // Every other line: their magnitudes were found before, which asked for the rest.
        auto const ask_ahead = [&](std::uint64_t done) KVSTONE_INNER {
            for (std::uint64_t i = 16; i < line_codes; i += 32) ask_line(from + ahead + done + i);
        };
        encode_lines<Format, false>(from, rows.dim, BlockFactors{factors}, to + r * rows.dim, ask_ahead);
        factors += rows.blocks_of_row();
    }
}
template <class Format>
HWY_INLINE void values_of_rows(BlockRows const& given, float const* factors, std::uint8_t const* from, float* to,
                               bool streaming) {
    auto const rows = joined_rows(given);
    for (std::size_t r = 0; r < rows.rows; ++r) {
        BlockFactors const of_row{factors + r * rows.blocks_of_row()};
        streaming ? decode_lines<Format, true>(from + r * rows.dim, rows.dim, of_row, to + r * rows.stride)
                  : decode_lines<Format, false>(from + r * rows.dim, rows.dim, of_row, to + r * rows.stride);
    }
}

void fp8_codes_on(Fp8Format format, float const* from, std::uint64_t count, float factor, std::uint8_t* to,
                  bool streaming) {
    format == Fp8Format::e4m3 ? codes_of_run<E4M3>(from, count, factor, to, streaming)
                              : codes_of_run<E5M2>(from, count, factor, to, streaming);
}
void fp8_values_on(Fp8Format format, std::uint8_t const* from, std::uint64_t count, float factor, float* to,
                   bool streaming) {
    format == Fp8Format::e4m3 ? values_of_run<E4M3>(from, count, factor, to, streaming)
                              : values_of_run<E5M2>(from, count, factor, to, streaming);
}
void fp8_block_codes_on(Fp8Format format, BlockRows const& rows, float const* factors, std::uint8_t* codes) {
    format == Fp8Format::e4m3 ? codes_of_rows<E4M3>(rows, factors, codes) : codes_of_rows<E5M2>(rows, factors, codes);
}
void fp8_block_numbers_on(Fp8Format format, BlockRows const& shape, float const* factors, std::uint8_t const* codes,
                          float* values, bool streaming) {
    format == Fp8Format::e4m3 ? values_of_rows<E4M3>(shape, factors, codes, values, streaming)
                              : values_of_rows<E5M2>(shape, factors, codes, values, streaming);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(fp8_codes_on);
HWY_EXPORT(fp8_values_on);
HWY_EXPORT(fp8_block_codes_on);
HWY_EXPORT(fp8_block_numbers_on);

void fp8_codes_of(Fp8Format format, float const* values, std::uint64_t count, float factor, std::uint8_t* codes,
                  bool streaming) {
    HWY_DYNAMIC_DISPATCH(fp8_codes_on)(format, values, count, factor, codes, streaming);
}

void fp8_values_of(Fp8Format format, std::uint8_t const* codes, std::uint64_t count, float factor, float* values,
                   bool streaming) {
    HWY_DYNAMIC_DISPATCH(fp8_values_on)(format, codes, count, factor, values, streaming);
}

void fp8_codes_of_blocks(Fp8Format format, BlockRows const& rows, float const* factors, std::uint8_t* codes) {
    HWY_DYNAMIC_DISPATCH(fp8_block_codes_on)(format, rows, factors, codes);
}

void fp8_values_of_blocks(Fp8Format format, BlockRows const& shape, float const* factors, std::uint8_t const* codes,
                          float* values, bool streaming) {
    HWY_DYNAMIC_DISPATCH(fp8_block_numbers_on)(format, shape, factors, codes, values, streaming);
}

}  // namespace kvstone
#endif
