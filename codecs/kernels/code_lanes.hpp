// Codes of three and of four bits, packed as codecs/kernels/bit_packing.hpp packs them, by vectors.
//
// A part of a source that is compiled for each target, as Highway has them: the guard is toggled.

#include "codecs/kernels/bit_packing.hpp"

#if defined(KVSTONE_CODE_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_CODE_LANES_HPP
#undef KVSTONE_CODE_LANES_HPP
#else
#define KVSTONE_CODE_LANES_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using CodeBytes = hn::CappedTag<std::uint8_t, 64>;
using CodeEights = hn::Repartition<std::uint64_t, CodeBytes>;
using CodeVector = hn::Vec<CodeBytes>;

/// Eight codes of three bits in the low bytes of each 64 bits: neighbours come together as sums of products, c + (next << 3),
/// and pairs of these.
HWY_INLINE hn::Vec<CodeEights> joined_threes(CodeVector codes) {
    CodeEights const eights;
    hn::Repartition<std::int16_t, CodeBytes> const words;
    hn::Repartition<std::int32_t, CodeBytes> const quads;
    auto const by_eight =
        hn::BitCast(hn::RebindToSigned<CodeBytes>(), hn::Set(hn::Repartition<std::uint16_t, CodeBytes>(), 0x0801));
    auto const by_64 = hn::BitCast(words, hn::Set(quads, 0x00400001));
    auto const pairs = hn::SatWidenMulPairwiseAdd(words, codes, by_eight);
    auto const fours = hn::BitCast(eights, hn::WidenMulPairwiseAdd(quads, pairs, by_64));
    return hn::Or(fours, hn::ShiftRight<20>(fours));
}

/// Bytes 0 to 2 of each eight, side by side from each 16 bytes' first on, or from the vector's first on where the processor
/// moves bytes between its parts.
HWY_INLINE void store_threes(CodeVector eights, std::uint8_t* to, bool more_follow) {
    CodeBytes const d;
    constexpr std::size_t width = hn::MaxLanes(d);
    alignas(64) std::uint8_t bytes[width];
#if HWY_TARGET <= HWY_AVX3_DL
    alignas(64) static constexpr std::uint8_t order[64] = {0,  1,  2,  8,  9,  10, 16, 17, 18, 24, 25, 26,
                                                           32, 33, 34, 40, 41, 42, 48, 49, 50, 56, 57, 58};
    hn::Half<CodeBytes> const half;
    auto const packed = hn::LowerHalf(half, hn::TableLookupLanes(eights, hn::SetTableIndices(d, order)));
    if (more_follow) return hn::StoreU(packed, half, to);  // the next store writes over what is too much
    hn::Store(packed, half, bytes);
    std::memcpy(to, bytes, width / 8 * 3);
#else
    constexpr std::uint8_t no = 0x80;
    alignas(16) static constexpr std::uint8_t order[16] = {0, 1, 2, 8, 9, 10, no, no, no, no, no, no, no, no, no, no};
    hn::Store(hn::TableLookupBytesOr0(eights, hn::LoadDup128(d, order)), d, bytes);
    constexpr std::size_t blocks = width / 16;
    for (std::size_t block = 0; block + 1 < blocks; ++block) std::memcpy(to + block * 6, bytes + block * 16, 8);
    std::memcpy(to + (blocks - 1) * 6, bytes + (blocks - 1) * 16, more_follow ? 8 : 6);
#endif
}

inline void pack_threes(std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    CodeBytes const d;
    std::size_t const width = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        store_threes(hn::BitCast(d, joined_threes(hn::LoadU(d, codes + i))),
                     reinterpret_cast<std::uint8_t*>(packed + i / 8 * 3), i + 2 * width <= count);
    }
    pack_bytes<3>(codes + i, count - i, packed + i / 8 * 3);
}

/// `bytes` may be read, at least packed_bytes(count, 3).
inline void unpack_threes(std::byte const* packed, std::size_t bytes, std::size_t count, std::uint8_t* codes) {
    CodeBytes const d;
    hn::Half<CodeBytes> const half;
    CodeEights const eights;
    constexpr std::size_t read = 32;
    std::size_t const width = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + width <= count && i / 8 * 3 + read <= bytes; i += width) {
        auto const* const from = reinterpret_cast<std::uint8_t const*>(packed + i / 8 * 3);
#if HWY_TARGET <= HWY_AVX3_DL
        alignas(64) static constexpr std::uint8_t order[64] = {
            0,  1,  2,  0, 0, 0, 0, 0, 3,  4,  5,  0, 0, 0, 0, 0, 6,  7,  8,  0, 0, 0, 0, 0, 9,  10, 11, 0, 0, 0, 0, 0,
            12, 13, 14, 0, 0, 0, 0, 0, 15, 16, 17, 0, 0, 0, 0, 0, 18, 19, 20, 0, 0, 0, 0, 0, 21, 22, 23, 0, 0, 0, 0, 0};
        alignas(64) static constexpr std::uint8_t bits[8] = {0, 3, 6, 9, 12, 15, 18, 21};
        std::uint64_t shifts = 0;
        std::memcpy(&shifts, bits, sizeof(shifts));
        auto const all = hn::ZeroExtendVector(d, hn::LoadU(half, from));
        auto const threes = hn::TableLookupLanes(all, hn::SetTableIndices(d, order));
        auto const turned = hn::MultiRotateRight(hn::BitCast(eights, threes), hn::BitCast(d, hn::Set(eights, shifts)));
        hn::StoreU(hn::And(hn::BitCast(d, turned), hn::Set(d, 7)), d, codes + i);
#else
        constexpr std::uint8_t no = 0x80;
        alignas(64) static constexpr std::uint8_t order[64] = {
            0,  1,  2,  no, no, no, no, no, 3,  4,  5,  no, no, no, no, no, 6,  7,  8,  no, no, no,
            no, no, 9,  10, 11, no, no, no, no, no, 0,  1,  2,  no, no, no, no, no, 3,  4,  5,  no,
            no, no, no, no, 6,  7,  8,  no, no, no, no, no, 9,  10, 11, no, no, no, no, no};
        auto twelve = hn::LoadDup128(d, from);
        if (width == 64) twelve = hn::Combine(d, hn::LoadDup128(half, from + 12), hn::LowerHalf(half, twelve));
        auto x = hn::BitCast(eights, hn::TableLookupBytesOr0(twelve, hn::LoadU(d, order)));
        x = hn::And(hn::Or(x, hn::ShiftLeft<20>(x)), hn::Set(eights, 0x00000fff00000fffU));
        x = hn::And(hn::Or(x, hn::ShiftLeft<10>(x)), hn::Set(eights, 0x003f003f003f003fU));
        x = hn::And(hn::Or(x, hn::ShiftLeft<5>(x)), hn::Set(eights, 0x0707070707070707U));
        hn::StoreU(hn::BitCast(d, x), d, codes + i);
#endif
    }
    unpack_bytes<3>(packed + i / 8 * 3, count - i, codes + i);
}

inline void pack_fours(std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    CodeBytes const d;
    hn::Repartition<std::uint16_t, CodeBytes> const words;
    std::size_t const width = hn::Lanes(d);
    auto const joined = [&](std::uint8_t const* from) HWY_ATTR {
        auto const pairs = hn::BitCast(words, hn::LoadU(d, from));
        return hn::Or(pairs, hn::ShiftRight<4>(pairs));
    };
    std::size_t i = 0;
    for (; i + 2 * width <= count; i += 2 * width)
        hn::StoreU(hn::OrderedTruncate2To(d, joined(codes + i), joined(codes + i + width)), d,
                   reinterpret_cast<std::uint8_t*>(packed + i / 2));
    pack_bytes<4>(codes + i, count - i, packed + i / 2);
}

inline void unpack_fours(std::byte const* packed, std::size_t count, std::uint8_t* codes) {
    CodeBytes const d;
    hn::Half<CodeBytes> const half;
    hn::Repartition<std::uint16_t, CodeBytes> const words;
    std::size_t const width = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        auto const pairs = hn::PromoteTo(words, hn::LoadU(half, reinterpret_cast<std::uint8_t const*>(packed + i / 2)));
        auto const apart = hn::And(hn::Or(pairs, hn::ShiftLeft<4>(pairs)), hn::Set(words, 0x0f0f));
        hn::StoreU(hn::BitCast(d, apart), d, codes + i);
    }
    unpack_bytes<4>(packed + i / 2, count - i, codes + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
