// Rows of codes packed as codecs/kernels/bit_packing.hpp packs them, by vectors.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled.

#include <array>
#include <cstring>
#include <type_traits>

#include "codecs/kernels/bit_packing.hpp"

#if defined(KVSTONE_PACKING_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_PACKING_LANES_HPP
#undef KVSTONE_PACKING_LANES_HPP
#else
#define KVSTONE_PACKING_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"
#include "codecs/kernels/code_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// A row of entry(0), entry(1), ..., made when this is compiled.
template <class T, std::size_t size, class Entry>
constexpr std::array<T, size> made_row(Entry const& entry) {
    std::array<T, size> row{};
    for (std::size_t k = 0; k < size; ++k) row[k] = static_cast<T>(entry(k));
    return row;
}

/// Codes of 2 bits, four to a byte.
inline void pack_twos(std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    CodeBytes const d;
    hn::Repartition<std::uint32_t, CodeBytes> const quads;
    std::size_t const width = hn::Lanes(d);
    auto const joined = [&](std::uint8_t const* from) HWY_ATTR {
        auto const x = hn::BitCast(quads, hn::LoadU(d, from));
        auto const pairs = hn::Or(x, hn::ShiftRight<6>(x));
        return hn::And(hn::Or(pairs, hn::ShiftRight<12>(pairs)), hn::Set(quads, 0xff));
    };
    hn::Rebind<std::uint8_t, decltype(quads)> const bytes;
    std::size_t i = 0;
    for (; i + width <= count; i += width)
        hn::StoreU(hn::TruncateTo(bytes, joined(codes + i)), bytes, reinterpret_cast<std::uint8_t*>(packed + i / 4));
    pack_bytes<2>(codes + i, count - i, packed + i / 4);
}

inline void unpack_twos(std::byte const* packed, std::size_t count, std::uint8_t* codes) {
    CodeBytes const d;
    hn::Repartition<std::uint32_t, CodeBytes> const quads;
    hn::Rebind<std::uint8_t, decltype(quads)> const bytes;
    std::size_t const width = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        auto const x = hn::PromoteTo(quads, hn::LoadU(bytes, reinterpret_cast<std::uint8_t const*>(packed + i / 4)));
        auto const pairs = hn::Or(x, hn::ShiftLeft<12>(x));
        auto const fours = hn::Or(pairs, hn::ShiftLeft<6>(pairs));
        hn::StoreU(hn::And(hn::BitCast(d, fours), hn::Set(d, 3)), d, codes + i);
    }
    unpack_bytes<2>(packed + i / 4, count - i, codes + i);
}

/// Codes of any other number of bits below 8: eight come together in each 64 bits.
template <unsigned bits>
inline void pack_eights(std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    CodeEights const d;
    CodeBytes const bytes;
    constexpr std::size_t width = hn::MaxLanes(bytes);
    constexpr std::size_t words_of_64 = 8;
    std::size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        alignas(64) std::uint64_t words[words_of_64];
        for (std::size_t part = 0; part < 64; part += width) {
            auto x = hn::BitCast(d, hn::LoadU(bytes, codes + i + part));
            x = hn::Or(hn::And(x, hn::Set(d, 0x00ff00ff00ff00ffU)),
                       hn::ShiftRight<8 - bits>(hn::And(x, hn::Set(d, 0xff00ff00ff00ff00U))));
            x = hn::Or(hn::And(x, hn::Set(d, 0x0000ffff0000ffffU)),
                       hn::ShiftRight<16 - 2 * bits>(hn::And(x, hn::Set(d, 0xffff0000ffff0000U))));
            x = hn::Or(hn::And(x, hn::Set(d, 0x00000000ffffffffU)),
                       hn::ShiftRight<32 - 4 * bits>(hn::And(x, hn::Set(d, 0xffffffff00000000U))));
            hn::Store(x, d, words + part / 8);
        }
        // The bytes that one store writes too many, the next writes again; the last write their own alone.
        auto* const to = packed + i / 8 * bits;
        constexpr unsigned stores = (8 * bits - 8) / bits + 1;
        for (unsigned w = 0; w < stores; ++w) std::memcpy(to + w * bits, words + w, sizeof(words[w]));
        for (unsigned w = stores; w < words_of_64; ++w) std::memcpy(to + w * bits, words + w, bits);
    }
    pack_bytes<bits>(codes + i, count - i, packed + i / 8 * bits);
}

/// The opposite; `readable` bytes may be read from `packed` on.
template <unsigned bits>
inline void unpack_eights(std::byte const* packed, std::size_t readable, std::size_t count, std::uint8_t* codes) {
    constexpr auto low = [](unsigned some) { return (std::uint64_t{1} << some) - 1; };
    constexpr std::uint64_t half = low(4 * bits);
    constexpr std::uint64_t quarter = low(2 * bits) * 0x0000000100000001U;
    constexpr std::uint64_t eighth = low(bits) * 0x0001000100010001U;
    // Eight codes a word of 64 bits, each to a byte of its own.
    auto const spread = [&](auto d, auto x) KVSTONE_INNER {
        x = hn::Or(hn::And(x, hn::Set(d, half)),
                   hn::ShiftLeft<32 - 4 * bits>(hn::And(x, hn::Set(d, half << 4 * bits))));
        x = hn::Or(hn::And(x, hn::Set(d, quarter)),
                   hn::ShiftLeft<16 - 2 * bits>(hn::And(x, hn::Set(d, quarter << 2 * bits))));
        return hn::Or(hn::And(x, hn::Set(d, eighth)), hn::ShiftLeft<8 - bits>(hn::And(x, hn::Set(d, eighth << bits))));
    };
    // A dependent type, so that code for wider registers is not looked up where this target has none.
    std::enable_if_t<(bits > 0), hn::CappedTag<std::uint8_t, 32>> const bytes;
    hn::Repartition<std::uint64_t, decltype(bytes)> const words;
    hn::CappedTag<std::uint8_t, 16> const block;
    constexpr std::size_t width = hn::MaxLanes(bytes);
    constexpr std::uint8_t no = 0x80;
    alignas(16) static constexpr auto places =
        made_row<std::uint8_t, 16>([](std::size_t k) { return k % 8 < bits ? k / 8 * bits + k % 8 : no; });
    auto const order = hn::LoadDup128(bytes, places.data());
    auto const* const from = reinterpret_cast<std::uint8_t const*>(packed);
    std::size_t i = 0;
    for (; i + width <= count && (i + width - 16) / 8 * bits + 16 <= readable; i += width) {
        auto const first = hn::LoadU(block, from + i / 8 * bits);
        hn::Vec<decltype(bytes)> both;
        if constexpr (width == 32) {
            both = hn::Combine(bytes, hn::LoadU(block, from + (i / 8 + 2) * bits), first);
        } else {
            both = first;
        }
        auto const eights = hn::BitCast(words, hn::TableLookupBytesOr0(both, order));
        hn::StoreU(hn::BitCast(bytes, spread(words, eights)), bytes, codes + i);
    }
    unpack_bytes<bits>(packed + i / 8 * bits, count - i, codes + i);
}

/// Bytes of registers for codes of more than 8 bits: those of 64 bytes only where the processor moves single bytes between
/// all of their parts.
#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86
using WordBytes = CodeBytes;
#else
using WordBytes = hn::CappedTag<std::uint8_t, 32>;
#endif

/// Codes of 10 or 12 bits, one in 16: four come together in each 64 bits, and these in each 16 bytes.
template <unsigned bits>
inline void pack_fours_of_words(std::uint16_t const* codes, std::size_t count, std::byte* packed) {
    WordBytes const d;
    hn::Repartition<std::uint16_t, WordBytes> const words;
    hn::Repartition<std::int16_t, WordBytes> const numbers;
    hn::Repartition<std::int32_t, WordBytes> const pairs;
    hn::Repartition<std::uint64_t, WordBytes> const fours;
    constexpr std::size_t width = hn::MaxLanes(words);
    auto const weights =
        hn::BitCast(numbers, hn::Set(hn::Repartition<std::uint32_t, WordBytes>(), (1U << (16 + bits)) | 1U));
    auto const joined = [&](std::uint16_t const* from) HWY_ATTR {
        auto const two = hn::WidenMulPairwiseAdd(pairs, hn::BitCast(numbers, hn::LoadU(words, from)), weights);
        auto const x = hn::BitCast(fours, two);
        return hn::BitCast(
            d, hn::Or(hn::And(x, hn::Set(fours, 0xffffffffU)), hn::ShiftLeft<2 * bits>(hn::ShiftRight<32>(x))));
    };
    auto* const to = reinterpret_cast<std::uint8_t*>(packed);
    std::size_t i = 0;
#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86
    // Byte i comes from byte i / 5 * 8 + i % 5, and likewise with 6.
    constexpr std::size_t of_four = bits / 2;
    alignas(64) static constexpr auto places =
        made_row<std::uint8_t, 64>([](std::size_t k) { return (k / of_four * 8 + k % of_four) & 63; });
    auto const order = hn::SetTableIndices(d, places.data());
    for (; i + width <= count; i += width) {
        auto const bytes = hn::TableLookupLanes(joined(codes + i), order);
        if (i + 2 * width <= count) {
            hn::StoreU(bytes, d, to + i / 8 * bits);  // the next store writes over the rest
        } else {
            hn::StoreN(bytes, d, to + i / 8 * bits, width / 8 * bits);
        }
    }
#else
    constexpr std::uint8_t no = 0x80;
    alignas(16) static constexpr std::uint8_t tens[16] = {0, 1, 2, 3, 4, 8, 9, 10, 11, 12, no, no, no, no, no, no};
    alignas(16) static constexpr std::uint8_t twelves[16] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, no, no, no, no};
    auto const order = hn::LoadDup128(d, bits == 10 ? tens : twelves);
    hn::CappedTag<std::uint8_t, 16> const block;
    // Of each 16 bytes that are stored the last ones are written again by the next store: enough codes have to follow.
    for (; i + width + 16 <= count; i += width) {
        auto const bytes = hn::TableLookupBytesOr0(joined(codes + i), order);
        hn::StoreU(hn::ExtractBlock<0>(bytes), block, to + i / 8 * bits);
        if constexpr (width > 8) hn::StoreU(hn::ExtractBlock<1>(bytes), block, to + (i / 8 + 1) * bits);
    }
#endif
    pack_words<bits>(codes + i, count - i, packed + i / 8 * bits);
}

/// Codes of 9 to 12 bits: each 32 bits take the bytes of one code, shift them by its place and keep it.
template <unsigned bits>
inline void unpack_each_word(std::byte const* packed, std::size_t count, std::uint16_t* codes) {
    // A dependent type, so that code for wider registers is not looked up where this target has none.
    std::enable_if_t<(bits > 0), hn::CappedTag<std::uint8_t, 32>> const d;
    hn::Repartition<std::uint32_t, decltype(d)> const quads;
    hn::Rebind<std::uint16_t, decltype(quads)> const words;
    constexpr std::size_t width = hn::MaxLanes(quads);
    // The register's second half begins at the byte of its own first code.
    static constexpr auto bit_of = [](std::size_t k) { return k % 4 * bits + (k / 4 * 4 * bits) % 8; };
    alignas(32) static constexpr auto places =
        made_row<std::uint8_t, 32>([](std::size_t b) { return bit_of(b / 4) / 8 + b % 4; });
    alignas(32) static constexpr auto shifts = made_row<std::uint32_t, 8>([](std::size_t k) { return bit_of(k) % 8; });
    auto const order = hn::LoadU(d, places.data());
    auto const shift = hn::LoadU(quads, shifts.data());
    auto const mask = hn::Set(quads, (1U << bits) - 1U);
    auto const* const from = reinterpret_cast<std::uint8_t const*>(packed);
    hn::CappedTag<std::uint8_t, 16> const block;
    std::size_t i = 0;
    if constexpr (width == 8) {
        // 16 bytes are read from each half's first byte on: enough codes have to follow.
        for (; i + width + 16 <= count; i += width) {
            auto const low = hn::LoadU(block, from + i / 8 * bits);
            auto const high = hn::LoadU(block, from + i / 8 * bits + 4 * bits / 8);
            auto const bytes = hn::TableLookupBytes(hn::Combine(d, high, low), order);
            auto const code = hn::And(hn::Shr(hn::BitCast(quads, bytes), shift), mask);
            hn::StoreU(hn::TruncateTo(words, code), words, codes + i);
        }
    }
    unpack_words<bits>(packed + i / 8 * bits, count - i, codes + i);
}

template <unsigned bits>
inline void unpack_fours_of_words(std::byte const* packed, std::size_t count, std::uint16_t* codes) {
    // A dependent type, so that code for wider registers is not looked up where this target has none.
    std::enable_if_t<(bits > 0), WordBytes> const d;
    hn::Repartition<std::uint16_t, WordBytes> const words;
    hn::Repartition<std::uint32_t, WordBytes> const pairs;
    hn::Repartition<std::uint64_t, WordBytes> const fours;
    constexpr std::size_t width = hn::MaxLanes(words);
    auto const* const from = reinterpret_cast<std::uint8_t const*>(packed);
#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86
    constexpr std::size_t of_four = bits / 2;
    alignas(64) static constexpr auto places =
        made_row<std::uint8_t, 64>([](std::size_t k) { return k / 8 * of_four + k % 8 % of_four; });
    auto const order = hn::SetTableIndices(d, places.data());
    auto const bytes_at = [&](std::size_t i) HWY_ATTR {
        auto const* const place = from + i / 8 * bits;
        auto const bytes = i + 2 * width <= count ? hn::LoadU(d, place) : hn::LoadN(d, place, width / 8 * bits);
        return hn::TableLookupLanes(bytes, order);
    };
    constexpr std::size_t behind = 0;
#else
    constexpr std::uint8_t no = 0x80;
    alignas(16) static constexpr std::uint8_t tens[16] = {0, 1, 2, 3, 4, no, no, no, 5, 6, 7, 8, 9, no, no, no};
    alignas(16) static constexpr std::uint8_t twelves[16] = {0, 1, 2, 3, 4, 5, no, no, 6, 7, 8, 9, 10, 11, no, no};
    auto const order = hn::LoadDup128(d, bits == 10 ? tens : twelves);
    hn::CappedTag<std::uint8_t, 16> const block;
    auto const bytes_at = [&](std::size_t i) HWY_ATTR {
        auto const low = hn::LoadU(block, from + i / 8 * bits);
        if constexpr (width > 8) {
            return hn::TableLookupBytesOr0(hn::Combine(d, hn::LoadU(block, from + (i / 8 + 1) * bits), low), order);
        } else {
            return hn::TableLookupBytesOr0(low, order);
        }
    };
    constexpr std::size_t behind = 16;  // each 16 bytes that are read hold codes that follow: enough have to
#endif
    std::size_t i = 0;
    for (; i + width + behind <= count; i += width) {
        auto const x = hn::BitCast(fours, bytes_at(i));
        // Two codes to each half of 64 bits, then one to each half of those; what lies above a code is masked.
        auto const two = hn::Or(hn::And(x, hn::Set(fours, (std::uint64_t{1} << 2 * bits) - 1)),
                                hn::ShiftLeft<32>(hn::ShiftRight<2 * bits>(x)));
        auto const y = hn::BitCast(pairs, two);
        auto const one =
            hn::Or(hn::And(y, hn::Set(pairs, (1U << bits) - 1U)), hn::ShiftLeft<16>(hn::ShiftRight<bits>(y)));
        hn::StoreU(hn::And(hn::BitCast(words, one), hn::Set(words, (1U << bits) - 1U)), words, codes + i);
    }
    unpack_words<bits>(packed + i / 8 * bits, count - i, codes + i);
}

/// pack_codes() and unpack_codes().
inline void pack_row(unsigned bits, std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    switch (bits) {
        case 1:
            return pack_eights<1>(codes, count, packed);
        case 2:
            return pack_twos(codes, count, packed);
        case 3:
            return pack_threes(codes, count, packed);
        case 4:
            return pack_fours(codes, count, packed);
        case 5:
            return pack_eights<5>(codes, count, packed);
        case 6:
            return pack_eights<6>(codes, count, packed);
        case 7:
            return pack_eights<7>(codes, count, packed);
        default:
            std::memcpy(packed, codes, count);
    }
}
/// `readable` bytes may be read from `packed` on, those of the codes at least.
inline void unpack_row(unsigned bits, std::byte const* packed, std::size_t readable, std::size_t count,
                       std::uint8_t* codes) {
    switch (bits) {
        case 1:
            return unpack_eights<1>(packed, readable, count, codes);
        case 2:
            return unpack_twos(packed, count, codes);
        case 3:
            return unpack_threes(packed, readable, count, codes);
        case 4:
            return unpack_fours(packed, count, codes);
        case 5:
            return unpack_eights<5>(packed, readable, count, codes);
        case 6:
            return unpack_eights<6>(packed, readable, count, codes);
        case 7:
            return unpack_eights<7>(packed, readable, count, codes);
        default:
            std::memcpy(codes, packed, count);
    }
}
inline void unpack_row(unsigned bits, std::byte const* packed, std::size_t count, std::uint8_t* codes) {
    unpack_row(bits, packed, packed_bytes(count, bits), count, codes);
}
inline void pack_row(unsigned bits, std::uint16_t const* codes, std::size_t count, std::byte* packed) {
    if (bits == 10) return pack_fours_of_words<10>(codes, count, packed);
    if (bits == 12) return pack_fours_of_words<12>(codes, count, packed);
    pack_codes(bits, codes, count, packed);
}
inline void unpack_row(unsigned bits, std::byte const* packed, std::size_t count, std::uint16_t* codes) {
    if (bits == 10) return unpack_fours_of_words<10>(packed, count, codes);
    if (bits == 12) return unpack_fours_of_words<12>(packed, count, codes);
    if (bits == 9) return unpack_each_word<9>(packed, count, codes);
    unpack_each_word<11>(packed, count, codes);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
