#include "codecs/kernels/fixed_code.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/fixed_code.cpp"
#define KVSTONE_BYTES_BETWEEN_PARTS
#include "backends/kernels/few_targets.hpp"

#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/code_lanes.hpp"

#ifndef KVSTONE_FIXED_CODE_ONCE
#define KVSTONE_FIXED_CODE_ONCE
#include <cstring>
#include <type_traits>

namespace kvstone {

/// What either direction makes of a table. Exponents [first, first + 15) have their codes in `window`, whose last entry and
/// free ones are escapes; the table's other exponents follow one by one.
struct FixedTable {
    std::uint8_t exponents[16];  ///< of the codes, zeros behind them
    std::uint8_t window[16];
    std::uint8_t others[16];
    std::uint8_t codes_of_others[16];
    std::uint32_t count;
    std::uint32_t count_of_others;
    std::uint8_t first;
    std::uint8_t escape;
};

inline constexpr std::size_t fixed_table_bytes = 128;
static_assert(sizeof(FixedTable) <= fixed_table_bytes);

/// Numbers whose codes stay in the nearest cache.
inline constexpr std::size_t fixed_chunk = 1024;
/// What vectors and chunks may write or read beyond the escapes.
inline constexpr std::size_t escape_room = 256 + fixed_chunk;

}  // namespace kvstone
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::CappedTag<std::uint8_t, 64>;
using Vector = hn::Vec<Bytes>;
using Words = hn::Repartition<std::uint16_t, Bytes>;
using SignedWords = hn::RebindToSigned<Words>;

constexpr std::size_t line_bytes = 64;
/// How far ahead of a loop to ask for what it reads: a few hundred cycles of one core's reading.
constexpr std::size_t ahead_bytes = 2048;

/// Asks for [place, place + bytes), some way ahead. Any address is allowed.
HWY_INLINE void ask_ahead(std::uint8_t const* place, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i += line_bytes)
        hwy::Prefetch(reinterpret_cast<void const*>(reinterpret_cast<std::uintptr_t>(place) + ahead_bytes + i));
}

template <bool streaming, class D, class V>
HWY_INLINE void put(V value, D d, hn::TFromD<D>* place) {
    if constexpr (streaming) {
        hn::Stream(value, d, place);
    } else {
        hn::StoreU(value, d, place);
    }
}

/// Numbers to exponents and what is left of them: the low byte of 16-bit numbers, and the bits above it, or all of a byte.
template <class Split>
HWY_INLINE void take_apart(std::uint8_t const* numbers, Vector& exponent, Vector& low, Vector& high) {
    Bytes const d;
    constexpr int up = Split::exponent_bits;
    constexpr int down = 8 * sizeof(typename Split::Word) - 1 - up;
    if constexpr (Split::has_low_bytes) {
        Words const words;
        SignedWords const demoted;
        auto const mantissa = hn::Set(words, static_cast<std::uint16_t>(Split::mantissa_mask));
        auto const exponents = hn::Set(words, static_cast<std::uint16_t>(Split::exponent_mask));
        auto const first = hn::BitCast(words, hn::LoadU(d, numbers));
        auto const second = hn::BitCast(words, hn::LoadU(d, numbers + hn::Lanes(d)));
        auto const narrow = [&](auto one, auto other) HWY_ATTR {
            return hn::OrderedDemote2To(d, hn::BitCast(demoted, one), hn::BitCast(demoted, other));
        };
        exponent =
            narrow(hn::And(hn::ShiftRight<down>(first), exponents), hn::And(hn::ShiftRight<down>(second), exponents));
        auto const rest = hn::BitwiseIfThenElse(mantissa, first, hn::ShiftRight<up>(first));
        auto const more = hn::BitwiseIfThenElse(mantissa, second, hn::ShiftRight<up>(second));
        if constexpr (Split::packed_bits > 0) {
            auto const byte = hn::Set(words, 0xff);
            low = narrow(hn::And(rest, byte), hn::And(more, byte));
            high = narrow(hn::ShiftRight<8>(rest), hn::ShiftRight<8>(more));
        } else {
            low = narrow(rest, more);
        }
    } else {
        auto const number = hn::LoadU(d, numbers);
        exponent = hn::And(hn::ShiftRight<down>(number), hn::Set(d, static_cast<std::uint8_t>(Split::exponent_mask)));
        high = hn::BitwiseIfThenElse(hn::Set(d, static_cast<std::uint8_t>(Split::mantissa_mask)), number,
                                     hn::ShiftRight<up>(number));
    }
}

/// The opposite; `high` and `low` as they are stored.
template <class Split, bool streaming>
HWY_INLINE void put_together(Vector exponent, std::uint8_t const* low, std::uint8_t const* high,
                             std::uint8_t* numbers) {
    Bytes const d;
    constexpr int up = Split::exponent_bits;
    constexpr int down = 8 * sizeof(typename Split::Word) - 1 - up;
    auto const join = [&](auto tag, auto rest, auto exponents) HWY_ATTR {
        using Word = hn::TFromD<decltype(tag)>;
        auto const mantissa = hn::Set(tag, static_cast<Word>(Split::mantissa_mask));
        auto const middle = hn::Set(tag, static_cast<Word>(Split::exponent_mask << down));
        auto const upper = hn::BitwiseIfThenElse(middle, hn::ShiftLeft<down>(exponents), hn::ShiftLeft<up>(rest));
        return hn::BitwiseIfThenElse(mantissa, rest, upper);
    };
    if constexpr (Split::has_low_bytes) {
        Words const words;
        hn::Half<Bytes> const half;
        auto const lanes = hn::Lanes(half);
        auto const rest_at = [&](std::size_t i) HWY_ATTR {
            auto rest = hn::PromoteTo(words, hn::LoadU(half, low + i));
            if constexpr (Split::packed_bits > 0)
                rest = hn::Or(rest, hn::ShiftLeft<8>(hn::PromoteTo(words, hn::LoadU(half, high + i))));
            return rest;
        };
        auto* const to = reinterpret_cast<std::uint16_t*>(numbers);
        put<streaming>(join(words, rest_at(0), hn::PromoteLowerTo(words, exponent)), words, to);
        put<streaming>(join(words, rest_at(lanes), hn::PromoteUpperTo(words, exponent)), words, to + lanes);
    } else {
        put<streaming>(join(d, hn::LoadU(d, high), exponent), d, numbers);
    }
}

/// Codes of `count` numbers; exponents without one go to `escaped`, which has escape_room more. Returns their end.
///
/// often: a branch on whether a vector has an escape would be taken now and then.
template <class Split, bool streaming, bool often>
std::uint8_t* encode_into(FixedTable const& table, std::uint8_t const* numbers, std::size_t count, std::uint8_t* low,
                          std::uint8_t* high, std::uint8_t* codes, std::uint8_t* escaped) {
    Bytes const d;
    std::size_t const width = hn::Lanes(d);
    auto const escape = hn::Set(d, table.escape);
    auto const first = hn::Set(d, table.first);
    auto const beyond = hn::Set(d, 15);
    auto const window = hn::LoadDup128(d, table.window);
    auto const others = table.count_of_others;
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        auto const* const from = numbers + i * sizeof(typename Split::Word);
        ask_ahead(from, width * sizeof(typename Split::Word));
        auto exponent = hn::Zero(d);
        auto lows = hn::Zero(d);
        auto highs = hn::Zero(d);
        take_apart<Split>(from, exponent, lows, highs);
        if constexpr (Split::has_low_bytes) put<streaming>(lows, d, low + i);
        if constexpr (Split::packed_bits > 0) hn::StoreU(highs, d, high + i);
        auto code = hn::TableLookupBytes(window, hn::Min(hn::Sub(exponent, first), beyond));
        for (std::uint32_t k = 0; k < others; ++k) {
            auto const is_this = hn::Eq(exponent, hn::Set(d, table.others[k]));
            code = hn::IfThenElse(is_this, hn::Set(d, table.codes_of_others[k]), code);
        }
        hn::StoreU(code, d, codes + i);
        auto const escapes = hn::Eq(code, escape);
        if (often || !hn::AllFalse(d, escapes)) escaped += hn::CompressStore(exponent, escapes, d, escaped);
    }
    auto const* const words = reinterpret_cast<typename Split::Word const*>(numbers);
    for (; i < count; ++i) {
        auto const exponent = static_cast<std::uint8_t>(Split::exponent_of(words[i]));
        auto const rest = Split::rest_of(words[i]);
        if constexpr (Split::has_low_bytes) low[i] = static_cast<std::uint8_t>(rest);
        high[i] = static_cast<std::uint8_t>(Split::has_low_bytes ? rest >> 8 : rest);
        codes[i] = table.escape;
        for (std::uint32_t k = 0; k < table.count; ++k) {
            if (exponent == table.exponents[k]) codes[i] = static_cast<std::uint8_t>(k);
        }
        if (codes[i] == table.escape) *escaped++ = exponent;
    }
    return escaped;
}

/// Numbers of `count` codes. Reads up to escape_room exponents from `escaped`; returns the end of those taken.
template <class Split, bool streaming, bool often>
std::uint8_t const* decode_from(FixedTable const& table, std::uint8_t const* codes, std::size_t count,
                                std::uint8_t const* low, std::uint8_t const* high, std::uint8_t const* escaped,
                                std::uint8_t* numbers) {
    Bytes const d;
    std::size_t const width = hn::Lanes(d);
    auto const escape = hn::Set(d, table.escape);
    auto const exponents = hn::LoadDup128(d, table.exponents);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        if constexpr (Split::has_low_bytes) ask_ahead(low + i, width);
        auto const code = hn::LoadU(d, codes + i);
        auto exponent = hn::TableLookupBytes(exponents, code);
        auto const escapes = hn::Eq(code, escape);
        if (often || !hn::AllFalse(d, escapes)) {
            exponent = hn::IfThenElse(escapes, hn::Expand(hn::LoadU(d, escaped), escapes), exponent);
            escaped += hn::CountTrue(d, escapes);
        }
        put_together<Split, streaming>(exponent, low + i, high + i, numbers + i * sizeof(typename Split::Word));
    }
    auto* const words = reinterpret_cast<typename Split::Word*>(numbers);
    for (; i < count; ++i) {
        unsigned const exponent = codes[i] == table.escape ? *escaped++ : table.exponents[codes[i]];
        unsigned const rest = Split::has_low_bytes ? low[i] | high[i] << 8 : high[i];
        words[i] = Split::joined(rest, exponent);
    }
    return escaped;
}

/// call(whether to stream, whether escapes are frequent), both as constants: of 7 exponents some numbers in a hundred have
/// another, of 15 nearly none.
template <class Call>
auto with_constants(bool streaming, unsigned code_bits, Call const& call) {
    using Yes = std::true_type;
    using No = std::false_type;
    if (code_bits == 3) return streaming ? call(Yes(), Yes()) : call(No(), Yes());
    return streaming ? call(Yes(), No()) : call(No(), No());
}

template <class Split>
std::uint8_t* encode_numbers(FixedTable const& table, std::uint8_t const* numbers, std::size_t count, std::uint8_t* low,
                             std::uint8_t* high, std::uint8_t* codes, std::uint8_t* escaped, bool streaming,
                             unsigned code_bits) {
    auto const encode = [&](auto streams, auto often) {
        return encode_into<Split, streams.value, often.value>(table, numbers, count, low, high, codes, escaped);
    };
    return with_constants(streaming, code_bits, encode);
}
template <class Split>
std::uint8_t const* decode_numbers(FixedTable const& table, std::uint8_t const* codes, std::size_t count,
                                   std::uint8_t const* low, std::uint8_t const* high, std::uint8_t const* escaped,
                                   std::uint8_t* numbers, bool streaming, unsigned code_bits) {
    auto const decode = [&](auto streams, auto often) {
        return decode_from<Split, streams.value, often.value>(table, codes, count, low, high, escaped, numbers);
    };
    return with_constants(streaming, code_bits, decode);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <array>

#include "backends/kernels/host_stores.hpp"
#include "codecs/kernels/symbol_counts.hpp"

namespace kvstone {

namespace {

constexpr std::size_t sampled_run = 256;
constexpr std::size_t places_of_run = 64;
constexpr std::size_t sampled_every = places_of_run * sampled_run;
constexpr std::size_t least_sampled = 16 * sampled_every;

std::uint8_t* bytes_of(std::byte* bytes) { return reinterpret_cast<std::uint8_t*>(bytes); }
bool starts_line(void const* place) { return reinterpret_cast<std::uintptr_t>(place) % 64 == 0; }

/// Puts as many of the table's exponents into the window as go into one.
void fill_window(FixedTable& table) {
    std::uint32_t most = 0;
    auto const in_window = [](std::uint8_t first, std::uint8_t exponent) {
        return exponent - first >= 0 && exponent - first < 15;
    };
    for (std::uint32_t k = 0; k < table.count; ++k) {
        std::uint32_t inside = 0;
        for (std::uint32_t other = 0; other < table.count; ++other)
            inside += in_window(table.exponents[k], table.exponents[other]);
        if (inside > most) {
            most = inside;
            table.first = table.exponents[k];
        }
    }
    std::memset(table.window, table.escape, sizeof(table.window));
    table.count_of_others = 0;
    for (std::uint32_t k = 0; k < table.count; ++k) {
        auto const exponent = table.exponents[k];
        if (in_window(table.first, exponent)) {
            table.window[exponent - table.first] = static_cast<std::uint8_t>(k);
        } else {
            table.others[table.count_of_others] = exponent;
            table.codes_of_others[table.count_of_others++] = static_cast<std::uint8_t>(k);
        }
    }
}

}  // namespace

template <class Split>
std::size_t FixedCoder<Split>::tables_bytes() const {
    return fixed_table_bytes + block_numbers_ + escape_room;
}

template <class Split>
std::size_t FixedCoder<Split>::scratch_bytes(std::size_t count) const {
    return count + escape_room;
}

template <class Split>
void FixedCoder<Split>::count(NumberBlock const& block, std::byte* buffer, std::uint64_t* counts) const {
    auto* const exponents = bytes_of(buffer);
    auto const* const numbers = block.numbers;
    if (block.count < least_sampled) {
        Split::exponents(numbers, block.count, exponents);
        return count_symbols(exponents, block.count, counts);
    }
    std::size_t taken = 0;
    for (std::size_t run = 0; run < block.count / sampled_every; ++run) {
        // Each of the places comes once in so many runs: what repeats every 16384 numbers is met evenly.
        auto const place = run * sampled_every + run * 29 % places_of_run * sampled_run;
        Split::exponents(numbers + place * sizeof(typename Split::Word), sampled_run, exponents + taken);
        taken += sampled_run;
    }
    count_symbols(exponents, taken, counts);
}

template <class Split>
std::size_t FixedCoder<Split>::write_table(std::uint64_t const* counts, std::byte* table) const {
    std::array<std::uint8_t, 256> order;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) order[symbol] = static_cast<std::uint8_t>(symbol);
    std::sort(order.begin(), order.end(), [counts](std::uint8_t left, std::uint8_t right) {
        return counts[left] != counts[right] ? counts[left] > counts[right] : left < right;
    });
    std::size_t symbols = 0;
    while (symbols < escape() && counts[order[symbols]] > 0) ++symbols;
    table[0] = static_cast<std::byte>(symbols);
    std::memcpy(table + 1, order.data(), symbols);
    return 1 + symbols;
}

template <class Split>
std::size_t FixedCoder<Split>::table_bytes(std::byte const* table, std::size_t available) const {
    if (available < 1) return 0;
    auto const symbols = std::to_integer<std::size_t>(table[0]);
    return symbols > 0 && symbols <= escape() && symbols < available ? 1 + symbols : 0;
}

template <class Split>
void FixedCoder<Split>::load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    auto& fixed = *reinterpret_cast<FixedTable*>(memory);
    fixed = {};
    fixed.count = static_cast<std::uint32_t>(bytes - 1);
    std::memcpy(fixed.exponents, table + 1, fixed.count);
    fixed.escape = escape();
    fill_window(fixed);
}

template <class Split>
bool FixedCoder<Split>::load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    load_codes(table, bytes, memory);
    return true;
}

HWY_EXPORT(pack_threes);
HWY_EXPORT(unpack_threes);
HWY_EXPORT(pack_fours);
HWY_EXPORT(unpack_fours);

namespace {

void pack_some(unsigned bits, std::uint8_t const* codes, std::size_t count, std::byte* packed) {
    if (bits == 3) return HWY_DYNAMIC_DISPATCH(pack_threes)(codes, count, packed);
    HWY_DYNAMIC_DISPATCH(pack_fours)(codes, count, packed);
}
void unpack_some(unsigned bits, std::byte const* packed, std::size_t bytes, std::size_t count, std::uint8_t* codes) {
    if (bits == 3) return HWY_DYNAMIC_DISPATCH(unpack_threes)(packed, bytes, count, codes);
    HWY_DYNAMIC_DISPATCH(unpack_fours)(packed, count, codes);
}

}  // namespace

template <class Split>
std::size_t FixedCoder<Split>::encode(std::byte* memory, NumberBlock const& block, std::byte* coded, std::size_t most,
                                      std::byte* scratch) const {
    auto const code_bytes = packed_bytes(block.count, code_bits_);
    HWY_EXPORT_T(Encode, encode_numbers<Split>);
    auto* const encode_chunk = HWY_DYNAMIC_POINTER_T(Encode);
    auto const& table = *reinterpret_cast<FixedTable const*>(memory);
    auto* const escaped = bytes_of(scratch);
    auto* escaped_end = escaped;
    bool const streaming = block.streaming && starts_line(block.low);
    bool const fits = code_bytes <= most;
    std::array<std::uint8_t, fixed_chunk> codes;
    std::array<std::uint8_t, fixed_chunk> high;
    for (std::size_t i = 0; i < block.count; i += fixed_chunk) {
        auto const now = std::min(fixed_chunk, block.count - i);
        auto* const low = bytes_of(block.low) + (Split::has_low_bytes ? i : 0);
        escaped_end = encode_chunk(table, bytes_of(block.numbers) + i * sizeof(typename Split::Word), now, low,
                                   high.data(), codes.data(), escaped_end, streaming, code_bits_);
        if constexpr (Split::packed_bits > 0)
            pack_some(Split::packed_bits, high.data(), now, block.packed + i / 8 * Split::packed_bits);
        if (fits) pack_some(code_bits_, codes.data(), now, coded + i / 8 * code_bits_);
    }
    if (streaming) finish_stores();
    auto const escapes = static_cast<std::size_t>(escaped_end - escaped);
    auto const bytes = code_bytes + packed_bytes(escapes, Split::exponent_bits);
    if (bytes > most) return 0;
    pack_bytes<Split::exponent_bits>(escaped, escapes, coded + code_bytes);
    return bytes;
}

template <class Split>
bool FixedCoder<Split>::decode(std::byte* memory, std::byte const* coded, std::size_t bytes,
                               NumberBlock const& block) const {
    auto const code_bytes = packed_bytes(block.count, code_bits_);
    if (bytes < code_bytes) return false;
    auto const left = bytes - code_bytes;
    // As many as the bytes may hold; the last byte may hold one that is none.
    auto const available = left * 8 / Split::exponent_bits;
    if (available > block.count + 8) return false;
    HWY_EXPORT_T(Decode, decode_numbers<Split>);
    auto* const decode_chunk = HWY_DYNAMIC_POINTER_T(Decode);
    auto const& table = *reinterpret_cast<FixedTable const*>(memory);
    auto* const escaped = bytes_of(memory + fixed_table_bytes);
    unpack_bytes<Split::exponent_bits>(coded + code_bytes, available, escaped);
    std::uint8_t const* taken = escaped;
    bool const streaming = block.streaming && starts_line(block.numbers);
    std::array<std::uint8_t, fixed_chunk> codes;
    std::array<std::uint8_t, fixed_chunk> high{};
    for (std::size_t i = 0; i < block.count && taken <= escaped + available; i += fixed_chunk) {
        auto const now = std::min(fixed_chunk, block.count - i);
        unpack_some(code_bits_, coded + i / 8 * code_bits_, bytes - i / 8 * code_bits_, now, codes.data());
        if constexpr (Split::packed_bits > 0)
            unpack_some(Split::packed_bits, block.packed + i / 8 * Split::packed_bits,
                        packed_bytes(block.count - i, Split::packed_bits), now, high.data());
        taken =
            decode_chunk(table, codes.data(), now, bytes_of(block.low) + (Split::has_low_bytes ? i : 0), high.data(),
                         taken, bytes_of(block.numbers) + i * sizeof(typename Split::Word), streaming, code_bits_);
    }
    if (streaming) finish_stores();
    return left == packed_bytes(static_cast<std::size_t>(taken - escaped), Split::exponent_bits);
}

template class FixedCoder<Fp16Split>;
template class FixedCoder<Bf16Split>;
template class FixedCoder<Fp8E4m3Split>;
template class FixedCoder<Fp8E5m2Split>;

}  // namespace kvstone
#endif  // HWY_ONCE
