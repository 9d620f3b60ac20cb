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

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using FloatVector = hn::Vec<Floats>;
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

template <class Stored>
struct HalfCodes {
    static constexpr bool nibbles = false;
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
        Floats const d;
        hn::Rebind<std::uint16_t, Floats> const d16;
        hn::Rebind<std::uint8_t, Floats> const d8;
        auto const upper = hn::ShiftLeft<8>(hn::PromoteTo(d16, hn::LoadU(d8, as<std::uint8_t>(place))));
        auto const as_float = [&](auto bits) HWY_ATTR {
            return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, Floats>(), bits));
        };
        if constexpr (!e4m3) return as_float(upper);
        auto const magnitude = hn::ShiftRight<1>(hn::And(upper, hn::Set(d16, 0x7f00)));
        auto const value = as_float(hn::Or(magnitude, hn::And(upper, hn::Set(d16, 0x8000))));
        // The largest code stands for NaN.
        return hn::IfThenElse(hn::Ge(hn::Abs(value), hn::Set(d, 1.875F)), hn::NaN(d), value);
    }
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = row + step * step_channels;
        return {one(place), one(place + lanes)};
    }
};

template <class Code>
HWY_INLINE FloatVector float_of_bytes(std::byte const* place) {
    auto const codes = hn::LoadU(hn::Rebind<Code, Floats>(), as<Code>(place));
    return hn::ConvertTo(Floats(), hn::PromoteTo(Words(), codes));
}

template <class Code>
struct ByteCodes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const* const place = row + step * step_channels;
        return {float_of_bytes<Code>(place), float_of_bytes<Code>(place + lanes)};
    }
};

struct Q80Codes {
    static constexpr bool nibbles = false;
    static HWY_INLINE Pair load(std::byte const* row, std::size_t step) {
        auto const channel = step * step_channels;
        auto const* const place = row + channel / 32 * 34 + 2 + channel % 32;
        return {float_of_bytes<std::int8_t>(place), float_of_bytes<std::int8_t>(place + lanes)};
    }
};

/// Numbers of nibbles. With 16 lanes they are looked up in a register, which a step may be multiplied into beforehand.
template <RowFormat format>
struct NibbleCodes {
    static constexpr bool nibbles = true;
    static constexpr bool in_register = lanes == 16;
    static constexpr bool signed_codes = format == RowFormat::signed_nibbles;

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
        if constexpr (format == RowFormat::q4_0) return static_cast<float>(code) - 8.0F;
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
        if constexpr (format == RowFormat::q4_0) code = hn::Sub(code, hn::Set(dw, 8));
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
