#include "codecs/kernels/pages/ggml_pages.hpp"

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/ggml_pages.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/floats.hpp"
#include "codecs/kernels/pages/block_lanes.hpp"
#include "codecs/kernels/pages/cell_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

constexpr std::size_t ggml_values = 32;

/// Registers of floats of as many lanes as blocks are reduced together.
using Few = hn::RebindToFloat<Keys>;
using FewFloats = hn::Vec<Few>;
/// Half of a block's codes, a byte each.
using HalfBlock = hn::CappedTag<std::uint8_t, 16>;
using HalfBlockVector = hn::Vec<HalfBlock>;
struct BlockCodes {
    HalfBlockVector low;
    HalfBlockVector high;
};

/// The blocks of a page, as many at a time as are reduced together. A block of fewer values is filled up with its last one.
class GgmlWalk {
  public:
    explicit GgmlWalk(Page<float const> const& page) : page_(page), vector_(page.values) {}

    /// The first values of the next blocks; past the page's end those of the last one.
    HWY_INLINE void next(float const* (&at)[blocks_together]) {
        for (std::size_t b = 0; b < blocks_together; ++b) {
            at[b] = vector_ + first_;
            if (page_.dim - first_ < ggml_values) at[b] = filled_up(b);
            if (first_ + ggml_values < page_.dim) {
                first_ += ggml_values;
            } else if (token_ + 1 < page_.tokens) {
                first_ = 0;
                vector_ += page_.stride;
                ++token_;
            }
        }
    }

  private:
    HWY_NOINLINE float const* filled_up(std::size_t b) {
        auto const count = page_.dim - first_;
        for (std::size_t i = 0; i < ggml_values; ++i) filled_[b][i] = vector_[first_ + (i < count ? i : count - 1)];
        return filled_[b];
    }

    Page<float const> const& page_;
    float const* vector_;
    std::size_t first_ = 0;
    std::size_t token_ = 0;
    alignas(64) float filled_[blocks_together][ggml_values];
};

struct FewEnds {
    FewFloats bottom;
    FewFloats top;
};

HWY_INLINE FloatVector least_of(FloatVector value, FloatVector low) {
#if HWY_ARCH_X86
    return hn::Min(value, low);  // of a NaN in the first operand the second stays
#else
    return lesser(value, low);
#endif
}
HWY_INLINE FloatVector most_of(FloatVector value, FloatVector high) {
#if HWY_ARCH_X86
    return hn::Max(value, high);
#else
    return greater(value, high);
#endif
}
/// A register of floats in one of the size that is reduced.
template <class Vector, class Operation>
HWY_INLINE KeyVector folded(Vector values, Operation const& operation) {
    if constexpr (hn::MaxLanes(Floats()) > blocks_together) {
        return hn::BitCast(Keys(), operation(hn::LowerHalf(Few(), values), hn::UpperHalf(Few(), values)));
    } else {
        return hn::BitCast(Keys(), values);
    }
}

/// GgmlBlocks::ends_of() for one block.
template <class Format>
HWY_NOINLINE void ends_one_by_one(float const* block, float& bottom, float& top) {
    bottom = FLT_MAX;
    top = -FLT_MAX;
    float magnitude = 0;
    for (std::size_t i = 0; i < ggml_values; ++i) {
        if (!(std::fabs(block[i]) <= FLT_MAX)) continue;
        bottom = std::fmin(bottom, block[i]);
        top = std::fmax(top, block[i]);
        magnitude = std::fmax(magnitude, std::fabs(block[i]));
    }
    if (bottom > top) bottom = top = 0;
    bottom += 0.0F;
    top += 0.0F;
    auto const first_of = [&](float size) {
        for (std::size_t i = 0; i < ggml_values; ++i) {
            if (std::fabs(block[i]) == size) return block[i];
        }
        return size;
    };
    if constexpr (Format::bits == 8) {
        bottom = 0;
        top = magnitude;
    } else if constexpr (Format::with_least) {
        if (bottom == 0) bottom = first_of(0);
    } else if (-bottom == top) {
        bool const negative = top != 0 && first_of(top) < 0;
        top = negative ? 0.0F : std::fabs(top);
        if (!negative) bottom = 0;
    }
}

/// Ends of blocks; `odd` gets a bit for each that needs another look: at Inf, or at which value comes first. `with_nan`: one
/// of the blocks has NaN or may have it.
template <class Format>
HWY_INLINE FewEnds ends_of_blocks(float const* const (&at)[blocks_together], std::uint64_t& odd, bool& with_nan) {
    Floats const d;
    Few const few;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    KeyVector first[blocks_together];
    KeyVector second[blocks_together];
    auto nan = hn::MaskFalse(d);
    auto const min = [](auto a, auto b) HWY_ATTR { return hn::Min(a, b); };
    auto const max = [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); };
#pragma GCC unroll 8
    for (std::size_t b = 0; b < blocks_together; ++b) {
        auto const* const values = at[b];
        ask_line(values + prefetch_distance_bytes / sizeof(float));
        ask_line(values + prefetch_distance_bytes / sizeof(float) + 16);
        if constexpr (Format::bits == 8) {
            second[b] = largest_bits<ggml_values>(values, ggml_values);
        } else {
            auto low = hn::Set(d, FLT_MAX);
            auto high = hn::Set(d, -FLT_MAX);
            for (std::size_t i = 0; i < ggml_values; i += 2 * lanes) {
                auto const value = hn::LoadU(d, values + i);
                auto const next = hn::LoadU(d, values + i + lanes);
                nan = hn::Or(nan, hn::IsEitherNaN(value, next));
                low = least_of(next, least_of(value, low));
                high = most_of(next, most_of(value, high));
            }
            first[b] = folded(low, min);
            second[b] = folded(high, max);
        }
    }
    auto const as_floats = [&](auto const& operation) HWY_ATTR {
        return [&](KeyVector a, KeyVector b)
                   HWY_ATTR { return hn::BitCast(Keys(), operation(hn::BitCast(few, a), hn::BitCast(few, b))); };
    };
    if constexpr (Format::bits == 8) {
        auto const most = reduce_lanes(Keys(), second, max);
        auto const top = hn::BitCast(few, most);
        odd = hn::BitsFromMask(Keys(), hn::Ge(most, hn::Set(Keys(), infinity_bits)));
        with_nan = odd != 0;
        return {hn::Zero(few), top};
    } else {
        // Either zero becomes +0.
        auto const bottom = hn::Add(hn::BitCast(few, reduce_lanes(Keys(), first, as_floats(min))), hn::Zero(few));
        auto const top = hn::Add(hn::BitCast(few, reduce_lanes(Keys(), second, as_floats(max))), hn::Zero(few));
        auto strange = hn::Not(hn::Le(hn::Sub(top, bottom), hn::Set(few, FLT_MAX)));
        strange = hn::Or(strange, hn::Lt(top, bottom));
        if constexpr (Format::with_least) {
            strange = hn::Or(strange, hn::Eq(bottom, hn::Zero(few)));
        } else {
            strange = hn::Or(strange, hn::Eq(hn::Neg(bottom), top));
        }
        odd = hn::BitsFromMask(few, strange);
        with_nan = !hn::AllFalse(d, nan);
        return {bottom, top};
    }
}

/// Codes of a block before the offset is added, whole numbers of a register. `checked`: where values or what they are
/// multiplied by may be no numbers, or codes lie outside.
template <class Format, bool checked>
HWY_INLINE IntVector ggml_numbers(FloatVector values, FloatVector least, FloatVector inverse) {
    Floats const d;
    if constexpr (checked) values = without_nan(values);
    auto code = hn::Mul(Format::with_least ? hn::Sub(values, least) : values, inverse);
    if constexpr (checked || (!Format::with_least && Format::bits != 8)) {
        code = hn::Min(code, hn::Set(d, static_cast<float>(Format::high)));
    }
    if constexpr (checked) code = hn::Max(code, hn::Set(d, static_cast<float>(Format::low)));
    // To nearest, ties away from zero: the float below a half, so that 0.49999997 is not one.
    if constexpr (Format::bits == 8) {
        code = hn::Add(code, hn::CopySign(hn::Set(d, 0.49999997F), code));
    } else {
        code = hn::Add(code, hn::Set(d, static_cast<float>(Format::offset) + 0.5F));
    }
    return hn::ConvertInRangeTo(Ints(), code);
}

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
/// ggml_numbers() of eight bits, unchecked, by registers of 32 bytes: on Zen 4 narrowing packs them in fewer steps than
/// truncation takes.
HWY_INLINE BlockCodes eight_bit_codes(float const* values, float inverse) {
    hn::CappedTag<float, 8> const d;
    hn::RebindToSigned<decltype(d)> const ints;
    hn::Repartition<std::int16_t, decltype(d)> const words;
    hn::Repartition<std::int8_t, decltype(d)> const bytes;
    hn::Repartition<std::uint32_t, decltype(d)> const quads;
    HalfBlock const half;
    auto const factor = hn::Set(d, inverse);
    auto const numbers = [&](std::size_t i) HWY_ATTR {
        auto const code = hn::Mul(hn::LoadU(d, values + i), factor);
        return hn::ConvertInRangeTo(ints, hn::Add(code, hn::CopySign(hn::Set(d, 0.49999997F), code)));
    };
    auto const low = hn::ReorderDemote2To(words, numbers(0), numbers(8));
    auto const high = hn::ReorderDemote2To(words, numbers(16), numbers(24));
    alignas(32) static constexpr std::uint32_t order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    auto const all = hn::TableLookupLanes(hn::BitCast(quads, hn::ReorderDemote2To(bytes, low, high)),
                                          hn::SetTableIndices(quads, order));
    auto const codes = hn::BitCast(hn::Repartition<std::uint8_t, decltype(d)>(), all);
    return {hn::LowerHalf(half, codes), hn::UpperHalf(half, codes)};
}
#endif

template <class Format, bool checked>
HWY_INLINE BlockCodes ggml_codes(float const* values, float least, float inverse) {
    Floats const d;
    HalfBlock const half;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    auto const origin = hn::Set(d, least);
    auto const factor = hn::Set(d, inverse);
    auto const numbers = [&](std::size_t i) HWY_ATTR {
        return ggml_numbers<Format, checked>(hn::LoadU(d, values + i), origin, factor);
    };
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    if constexpr (Format::bits == 8 && !checked) return eight_bit_codes(values, inverse);
#endif
    if constexpr (lanes == 16) {
        auto const bytes = [&](std::size_t i) HWY_ATTR {
            return hn::TruncateTo(half, hn::BitCast(hn::RebindToUnsigned<Ints>(), numbers(i)));
        };
        return {bytes(0), bytes(16)};
    } else {
        auto const bytes = [&](std::size_t i) HWY_ATTR {
            auto const low = hn::ReorderDemote2To(CodeWords(), numbers(i), numbers(i + lanes));
            auto const high = hn::ReorderDemote2To(CodeWords(), numbers(i + 2 * lanes), numbers(i + 3 * lanes));
            return in_order(hn::BitCast(CodeBytes(), hn::ReorderDemote2To(SignedCodeBytes(), low, high)));
        };
        if constexpr (lanes == 8) {
            auto const all = bytes(0);
            return {hn::LowerHalf(half, all), hn::UpperHalf(half, all)};
        } else {
            return {bytes(0), bytes(16)};
        }
    }
}

/// Codes of one block behind its header: high bits of five, then low and high half of the block in one byte.
template <class Format>
HWY_INLINE void put_ggml_codes(BlockCodes const& codes, std::byte* place) {
    HalfBlock const d;
    hn::Repartition<std::uint16_t, HalfBlock> const words;
    auto* to = reinterpret_cast<std::uint8_t*>(place);
    if constexpr (Format::bits == 8) {
        hn::StoreU(codes.low, d, to);
        hn::StoreU(codes.high, d, to + 16);
    } else {
        auto low = codes.low;
        auto high = codes.high;
        if constexpr (Format::bits == 5) {
            auto const sixteen = hn::Set(d, 16);
            auto const fifths = [&](HalfBlockVector of) HWY_ATTR {
                return static_cast<std::uint32_t>(hn::BitsFromMask(d, hn::TestBit(of, sixteen)));
            };
            std::uint32_t const bits = fifths(low) | fifths(high) << 16;
            std::memcpy(to, &bits, sizeof(bits));
            to += sizeof(bits);
            low = hn::And(low, hn::Set(d, 15));
            high = hn::And(high, hn::Set(d, 15));
        }
        hn::StoreU(hn::Or(low, hn::BitCast(d, hn::ShiftLeft<4>(hn::BitCast(words, high)))), d, to);
    }
}

/// saturated_half() of a register of numbers.
HWY_INLINE void store_few_halves(FewFloats values, std::uint16_t* to) {
    Few const d;
    hn::Rebind<hwy::float16_t, Few> const halves;
    auto const most = hn::Set(d, 65504.0F);
    hn::StoreU(hn::DemoteTo(halves, hn::Max(hn::Min(values, most), hn::Neg(most))), halves,
               reinterpret_cast<hwy::float16_t*>(to));
}

template <class Format>
HWY_INLINE void encode_ggml(Page<float const> const& page, std::byte* to) {
    Few const d;
    auto const blocks = page.tokens * ((page.dim + ggml_values - 1) / ggml_values);
    GgmlWalk walk(page);
    for (std::size_t first = 0; first < blocks; first += blocks_together) {
        float const* at[blocks_together];
        walk.next(at);
        std::uint64_t odd = 0;
        bool with_nan = false;
        auto ends = ends_of_blocks<Format>(at, odd, with_nan);
        if (HWY_UNLIKELY(odd != 0)) {
            float bottoms[blocks_together];
            float tops[blocks_together];
            hn::StoreU(ends.bottom, d, bottoms);
            hn::StoreU(ends.top, d, tops);
            for (auto left = odd; left != 0; left &= left - 1) {
                auto const b = static_cast<std::size_t>(__builtin_ctzll(left));
                ends_one_by_one<Format>(at[b], bottoms[b], tops[b]);
            }
            ends = {hn::LoadU(d, bottoms), hn::LoadU(d, tops)};
        }
        FewFloats step;
        if constexpr (Format::with_least) {
            auto const width = hn::Div(hn::Sub(ends.top, ends.bottom), hn::Set(d, static_cast<float>(Format::high)));
            step = hn::IfThenZeroElse(hn::Eq(ends.top, ends.bottom), width);
        } else if constexpr (Format::bits == 8) {
            step = hn::Div(ends.top, hn::Set(d, 127.0F));
        } else {
            auto const extreme = hn::IfThenElse(hn::Gt(hn::Neg(ends.bottom), ends.top), ends.bottom, ends.top);
            step = hn::Div(extreme, hn::Set(d, static_cast<float>(-Format::offset)));
        }
        // Any factor does where the step, as binary16, is zero or too large to mean anything.
        auto inverse = hn::Div(hn::Set(d, 1.0F), step);
        auto const size = hn::Abs(inverse);
        auto const normal = hn::And(hn::Ge(size, hn::Set(d, FLT_MIN)), hn::Le(size, hn::Set(d, FLT_MAX)));
        inverse = hn::IfThenElse(normal, inverse, hn::Set(d, FLT_MIN));
        float leasts[blocks_together];
        float inverses[blocks_together];
        std::uint16_t halves[2][blocks_together];
        hn::StoreU(ends.bottom, d, leasts);
        hn::StoreU(inverse, d, inverses);
        store_few_halves(step, halves[0]);
        if constexpr (Format::with_least) store_few_halves(ends.bottom, halves[1]);
        auto const put_block = [&](std::size_t b, auto checked) HWY_ATTR {
            auto* const place = to + (first + b) * Format::bytes;
            std::memcpy(place, &halves[0][b], 2);
            if constexpr (Format::with_least) std::memcpy(place + 2, &halves[1][b], 2);
            put_ggml_codes<Format>(ggml_codes<Format, decltype(checked)::value>(at[b], leasts[b], inverses[b]),
                                   place + Format::header_bytes);
        };
        if (HWY_LIKELY(odd == 0 && !with_nan && first + blocks_together <= blocks)) {
#pragma GCC unroll 8
            for (std::size_t b = 0; b < blocks_together; ++b) put_block(b, std::false_type());
        } else {
            auto const now = blocks - first < blocks_together ? blocks - first : blocks_together;
            for (std::size_t b = 0; b < now; ++b) put_block(b, std::true_type());
        }
    }
}

/// The number that a binary16 stands for, in all lanes.
HWY_INLINE FloatVector lanes_of_half(std::byte const* place) {
    Floats const d;
    std::uint16_t bits = 0;
    std::memcpy(&bits, place, sizeof(bits));
#if HWY_TARGET == HWY_SSE4
    return hn::Set(d, to_float(Float16{bits}));
#else
    hn::Rebind<hwy::float16_t, Floats> const halves;
    return hn::PromoteTo(d, hn::BitCast(halves, hn::Set(hn::Rebind<std::uint16_t, Floats>(), bits)));
#endif
}

/// Stores the values of half a block's signed codes.
template <class Format, bool streaming, class Vector>
HWY_INLINE void put_ggml_values(Vector codes, FloatVector step, FloatVector least, float* to) {
    Floats const d;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    hn::Rebind<std::int8_t, Floats> const some;
    hn::RebindToSigned<HalfBlock> const numbers;
    auto const put_register = [&](auto bytes, std::size_t i) HWY_ATTR {
        auto const number = hn::ConvertTo(d, hn::PromoteTo(Ints(), bytes));
        auto const product = hn::Mul(number, step);
        put<streaming>(Format::with_least ? hn::Add(product, least) : product, d, to + i);
    };
    auto const all = hn::BitCast(numbers, codes);
    if constexpr (lanes == 16) {
        put_register(all, 0);
    } else if constexpr (lanes == 8) {
        put_register(hn::LowerHalf(some, all), 0);
        put_register(hn::UpperHalf(some, all), 8);
    } else {
        put_register(hn::ResizeBitCast(some, all), 0);
        put_register(hn::ResizeBitCast(some, hn::ShiftRightBytes<4>(numbers, all)), 4);
        put_register(hn::ResizeBitCast(some, hn::ShiftRightBytes<8>(numbers, all)), 8);
        put_register(hn::ResizeBitCast(some, hn::ShiftRightBytes<12>(numbers, all)), 12);
    }
}

template <class Format, bool streaming>
HWY_INLINE void decode_ggml_block(std::byte const* from, float* to) {
    HalfBlock const d;
    hn::Repartition<std::uint16_t, HalfBlock> const words;
    auto const step = lanes_of_half(from);
    auto const least = Format::with_least ? lanes_of_half(from + 2) : step;
    auto const* const place = reinterpret_cast<std::uint8_t const*>(from + Format::header_bytes);
    if constexpr (Format::bits == 8) {
        put_ggml_values<Format, streaming>(hn::LoadU(d, place), step, least, to);
        put_ggml_values<Format, streaming>(hn::LoadU(d, place + 16), step, least, to + 16);
    } else {
        auto const bytes = hn::LoadU(d, place + Format::high_bytes);
        auto const nibble = hn::Set(d, 15);
        auto low = hn::And(bytes, nibble);
        auto high = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(words, bytes))), nibble);
        if constexpr (Format::bits == 5) {
            auto const fifth = [&](std::uint8_t const* bits)
                                   HWY_ATTR { return hn::IfThenElseZero(hn::LoadMaskBits(d, bits), hn::Set(d, 16)); };
            low = hn::Or(low, fifth(place));
            high = hn::Or(high, fifth(place + 2));
        }
        if constexpr (Format::offset != 0) {
            low = hn::Sub(low, hn::Set(d, Format::offset));
            high = hn::Sub(high, hn::Set(d, Format::offset));
        }
        put_ggml_values<Format, streaming>(low, step, least, to);
        put_ggml_values<Format, streaming>(high, step, least, to + 16);
    }
}

template <class Format, bool streaming>
HWY_INLINE void decode_ggml(std::byte const* from, Page<float> const& page) {
    for (std::size_t t = 0; t < page.tokens; ++t) {
        auto* const values = page.vector(t);
        std::size_t first = 0;
        for (; first + ggml_values <= page.dim; first += ggml_values, from += Format::bytes) {
            decode_ggml_block<Format, streaming>(from, values + first);
        }
        if (first == page.dim) continue;
        alignas(64) float last[ggml_values];
        decode_ggml_block<Format, false>(from, last);
        std::memcpy(values + first, last, (page.dim - first) * sizeof(float));
        from += Format::bytes;
    }
}

template <class Work>
HWY_INLINE void with_ggml_format(GgmlFormat format, Work const& work) {
    if (format.bits == 8) return work(GgmlLayout<8, false>());
    if (format.bits == 4) return format.with_least ? work(GgmlLayout<4, true>()) : work(GgmlLayout<4, false>());
    return format.with_least ? work(GgmlLayout<5, true>()) : work(GgmlLayout<5, false>());
}

void encode_ggml_blocks_on(GgmlFormat format, Page<float const> const& page, std::byte* blocks) {
    with_ggml_format(format, [&](auto of) HWY_ATTR { encode_ggml<decltype(of)>(page, blocks); });
}
void decode_ggml_blocks_on(GgmlFormat format, std::byte const* blocks, Page<float> const& page) {
    with_ggml_format(format, [&](auto of) HWY_ATTR {
        if (page.streaming) return decode_ggml<decltype(of), true>(blocks, page);
        decode_ggml<decltype(of), false>(blocks, page);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(encode_ggml_blocks_on);
HWY_EXPORT(decode_ggml_blocks_on);

void encode_ggml_blocks(GgmlFormat format, Page<float const> const& page, std::byte* blocks) {
    HWY_DYNAMIC_DISPATCH(encode_ggml_blocks_on)(format, page, blocks);
}

void decode_ggml_blocks(GgmlFormat format, std::byte const* blocks, Page<float> const& page) {
    HWY_DYNAMIC_DISPATCH(decode_ggml_blocks_on)(format, blocks, page);
}

}  // namespace kvstone
#endif
