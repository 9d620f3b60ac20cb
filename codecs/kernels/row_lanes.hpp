// Codes of StoredRows as vectors of floats. Highway's foreach_target.h includes it once for each target.
//
// A step is what two vectors hold: 2 N channels of a vector of K or V. Which channel a place ("slot") of a step stands for
// depends on the format: nibbles come as they lie in their bytes, and queries and outputs are put in that order instead.

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

#include "codecs/kernels/stored_values.hpp"

#if defined(KVSTONE_ROW_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_ROW_LANES
#undef KVSTONE_ROW_LANES
#else
#define KVSTONE_ROW_LANES
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

using Words = hn::RebindToSigned<Floats>;
using WordVector = hn::Vec<Words>;
constexpr std::size_t lanes = hn::MaxLanes(Floats());
constexpr std::size_t step_channels = 2 * lanes;

struct Pair {
    FloatVector first;
    FloatVector second;
};

template <class T>
HWY_INLINE T const* as(std::byte const* place) {
    return reinterpret_cast<T const*>(place);
}

/// Vectors of floats that were decoded before.
struct FloatCodes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        Floats const d;
        auto const* const place = as<float>(row) + step * step_channels;
        return {hn::LoadU(d, place), hn::LoadU(d, place + lanes)};
    }
};

using Halves = hn::Rebind<std::uint16_t, Floats>;

/// Numbers of binary16.
HWY_INLINE FloatVector float_of_halves(hn::Vec<Halves> bits) {
#if HWY_TARGET == HWY_SSE2 || HWY_TARGET == HWY_SSE4
    // Highway's way without an instruction has no Inf and no NaN. Multiplying by 2^112 moves the exponent's bias.
    Floats const d;
    Words const dw;
    auto const word = hn::PromoteTo(dw, bits);
    auto const magnitude = hn::ShiftLeft<13>(hn::And(word, hn::Set(dw, 0x7fff)));
    auto const sign = hn::ShiftLeft<16>(hn::And(word, hn::Set(dw, 0x8000)));
    auto const special = hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(dw, 0x0f7fffff)), hn::Set(dw, 0x7f800000));
    auto const value = hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112F));
    return hn::BitCast(d, hn::Or(hn::Or(hn::BitCast(dw, value), special), sign));
#else
    return hn::PromoteTo(Floats(), hn::BitCast(hn::Rebind<hwy::float16_t, Floats>(), bits));
#endif
}

struct HalfCodes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = as<std::uint16_t>(row) + step * step_channels;
        return {float_of_halves(hn::LoadU(Halves(), place)), float_of_halves(hn::LoadU(Halves(), place + lanes))};
    }
};

/// The upper halves of floats.
struct BFloatCodes {
    static constexpr bool nibbles = false;
    using Stored = hwy::bfloat16_t;
    static HWY_INLINE FloatVector one(std::byte const* place) {
        return hn::PromoteTo(Floats(), hn::LoadU(hn::Rebind<Stored, Floats>(), as<Stored>(place)));
    }
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = row + step * step_channels * sizeof(Stored);
        return {one(place), one(place + lanes * sizeof(Stored))};
    }
};

/// Through binary16, whose exponent is wide enough: E5M2 is its upper half. Numbers of E4M3 come out as 2^-8 of what they
/// are, which their step takes back.
template <bool e4m3>
struct Fp8Codes {
    static constexpr bool nibbles = false;
    static HWY_INLINE FloatVector one(std::byte const* place) {
        Halves const d16;
        hn::Rebind<std::uint8_t, Floats> const d8;
        auto const upper = hn::ShiftLeft<8>(hn::PromoteTo(d16, hn::LoadU(d8, as<std::uint8_t>(place))));
        if constexpr (!e4m3) return float_of_halves(upper);
        Floats const d;
        auto const magnitude = hn::ShiftRight<1>(hn::And(upper, hn::Set(d16, 0x7f00)));
        auto const value = float_of_halves(hn::Or(magnitude, hn::And(upper, hn::Set(d16, 0x8000))));
        // The largest code stands for NaN.
        return hn::IfThenElse(hn::Ge(hn::Abs(value), hn::Set(d, 1.875F)), hn::NaN(d), value);
    }
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = row + step * step_channels;
        return {one(place), one(place + lanes)};
    }
};

/// What is taken off the codes of a format and given to its origins instead: sums of codes that lie around zero lose less.
constexpr float center_of(RowFormat format) {
    return format == RowFormat::bytes ? 128 : format == RowFormat::nibbles ? 8 : 0;
}

/// Signed bytes; of unsigned ones that are `centred`, 128 less.
template <bool centred>
HWY_INLINE FloatVector float_of_bytes(std::byte const* place) {
    hn::Rebind<std::int8_t, Floats> const d8;
    auto codes = hn::LoadU(d8, as<std::int8_t>(place));
    if constexpr (centred) codes = hn::Xor(codes, hn::Set(d8, -128));
    return hn::ConvertTo(Floats(), hn::PromoteTo(Words(), codes));
}

template <bool centred>
struct ByteCodes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = row + step * step_channels;
        return {float_of_bytes<centred>(place), float_of_bytes<centred>(place + lanes)};
    }
};

struct Q80Codes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const channel = step * step_channels;
        auto const* const place = row + channel / 32 * 34 + 2 + channel % 32;
        return {float_of_bytes<false>(place), float_of_bytes<false>(place + lanes)};
    }
};

/// Numbers of nibbles. With 16 lanes they are looked up in a register, which a step may be multiplied into beforehand.
template <RowFormat format>
struct NibbleCodes {
    static constexpr bool nibbles = true;
    static constexpr bool in_register = lanes == 16;
    static constexpr bool signed_codes = format == RowFormat::signed_nibbles;
    static constexpr bool offset = format == RowFormat::q4_0 || format == RowFormat::nibbles;

    static HWY_INLINE WordVector packed(std::byte const* row, std::size_t step) {
        auto const* place = row + step * lanes;
        if constexpr (format == RowFormat::q4_0) {
            constexpr std::size_t of_block = 16 / lanes;
            place = row + step / of_block * 18 + 2 + step % of_block * lanes;
        }
        hn::Rebind<std::uint8_t, Floats> const d8;
        return hn::PromoteTo(Words(), hn::LoadU(d8, as<std::uint8_t>(place)));
    }
    static float number_of(unsigned code) {
        if constexpr (format == RowFormat::nf4) return nf4_level(code);
        if constexpr (offset) return static_cast<float>(code) - 8.0F;
        return signed_codes && code >= 8 ? static_cast<float>(code) - 16.0F : static_cast<float>(code);
    }
    static HWY_INLINE FloatVector table() {
        alignas(64) float numbers[16];
        for (unsigned code = 0; code < 16; ++code) numbers[code] = number_of(code);
        return hn::Load(Floats(), numbers);
    }
    static HWY_INLINE Pair look_up(FloatVector numbers, std::byte const* row, std::size_t step) {
        Words const dw;
        auto const codes = packed(row, step);
        auto const low = hn::And(codes, hn::Set(dw, 15));
        auto const high = hn::ShiftRight<4>(codes);
        return {hn::TableLookupLanes(numbers, hn::IndicesFromVec(Floats(), low)),
                hn::TableLookupLanes(numbers, hn::IndicesFromVec(Floats(), high))};
    }
    static HWY_INLINE FloatVector number(WordVector code) {
        Floats const d;
        Words const dw;
        if constexpr (format == RowFormat::nf4) {
            alignas(64) float levels[16];
            for (unsigned k = 0; k < 16; ++k) levels[k] = nf4_level(k);
            if constexpr (lanes == 8)
                return hn::TwoTablesLookupLanes(d, hn::Load(d, levels), hn::Load(d, levels + 8),
                                                hn::IndicesFromVec(d, code));
            return hn::GatherIndex(d, levels, code);
        }
        if constexpr (offset) code = hn::Sub(code, hn::Set(dw, 8));
        if constexpr (signed_codes) code = hn::Sub(hn::Xor(code, hn::Set(dw, 8)), hn::Set(dw, 8));
        return hn::ConvertTo(d, code);
    }
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        if constexpr (in_register) return look_up(table(), row, step);
        auto const codes = packed(row, step);
        return {number(hn::And(codes, hn::Set(Words(), 15))), number(hn::ShiftRight<4>(codes))};
    }
};

/// The channel that a slot stands for, of formats whose channels are not in order.
template <RowFormat format>
std::size_t channel_of_slot(std::size_t slot) {
    auto const step = slot / step_channels;
    auto const lane = slot % lanes;
    bool const second = slot % step_channels >= lanes;
    if constexpr (format == RowFormat::q4_0) {
        constexpr std::size_t of_block = 16 / lanes;
        return step / of_block * 32 + step % of_block * lanes + lane + (second ? 16 : 0);
    }
    return step * step_channels + 2 * lane + (second ? 1 : 0);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
