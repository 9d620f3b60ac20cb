#include "codecs/kernels/state_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/state_lanes.cpp"
// Vectors whose size is not known to the compiler cannot be members of arrays.
#define HWY_DISABLED_TARGETS (HWY_ALL_SVE | HWY_RVV | HWY_SCALAR)
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::CappedTag<std::uint32_t, 16>;
using WordVector = hn::Vec<Words>;
using Signed = hn::RebindToSigned<Words>;
using Halves = hn::Rebind<std::uint16_t, Words>;
using HalfBytes = hn::Repartition<std::uint8_t, Halves>;
using Bytes = hn::Rebind<std::uint8_t, Words>;
constexpr std::size_t width = hn::MaxLanes(Words());
constexpr std::size_t vectors = most_state_lanes / width;
constexpr std::size_t group_word_bytes = 2 * most_state_lanes;

HWY_INLINE WordVector gather(std::uint32_t const* table, WordVector index) {
    return hn::GatherIndex(Words(), table, hn::BitCast(Signed(), index));
}

/// The tables of `width` symbols from `place` on; the caller keeps place + width within period + 64.
HWY_INLINE WordVector tables_at(TableWalk const& walk, std::size_t place) {
    return hn::LoadU(Words(), walk.tables + place);
}

// Popping: the entry of each state's symbol (its low byte), and the state without it.

template <bool walks>
HWY_INLINE WordVector pop(HuffmanLookup const& lookup, WordVector& state, std::size_t) {
    Words const d;
    auto const entry = gather(lookup.entries, hn::And(state, hn::Set(d, (1U << lookup.bits) - 1)));
    state = hn::Shr(state, hn::ShiftRight<8>(entry));
    return entry;
}

template <bool walks>
HWY_INLINE WordVector pop(RansLookup const& lookup, WordVector& state, std::size_t place) {
    Words const d;
    auto const low = hn::Set(d, (1U << rans_bits) - 1);
    auto slot = hn::And(state, low);
    if constexpr (walks) slot = hn::Add(slot, hn::ShiftLeft<rans_bits>(tables_at(lookup.walk, place)));
    auto const entry = gather(lookup.entries, slot);
    auto const high = hn::ShiftRight<rans_bits>(state);
    auto const rest = hn::Add(high, hn::And(hn::ShiftRight<8>(entry), low));
    state = hn::Add(hn::Mul(hn::ShiftRight<20>(entry), high), rest);
    return entry;
}

/// Takes a word into each state that is too small. Reads 2 `width` bytes.
HWY_INLINE WordVector take_words(WordVector state, std::uint8_t const*& words) {
    Words const d;
    auto const small = hn::Lt(state, hn::Set(d, least_state));
    auto const next = hn::PromoteTo(d, hn::BitCast(Halves(), hn::LoadU(HalfBytes(), words)));
    auto const joined = hn::Or(hn::ShiftLeft<16>(state), hn::Expand(next, small));
    words += 2 * hn::CountTrue(d, small);
    return hn::IfThenElse(small, joined, state);
}

std::size_t next_place(TableWalk const& walk, std::size_t place) { return (place + most_state_lanes) % walk.period; }

/// Pops full groups of 64 symbols; `states` and `words` are brought up to date. False where words are missing.
template <bool walks, class Lookup>
bool pop_groups(Lookup const& lookup, TableWalk const& walk, std::uint8_t* symbols, std::size_t groups,
                std::uint32_t* states, std::byte const*& words, std::byte const* end) {
    Words const d;
    WordVector state[vectors];
    for (std::size_t v = 0; v < vectors; ++v) state[v] = hn::LoadU(d, states + v * width);
    std::size_t place = walk.first % walk.period;
    std::size_t group = 0;
    auto const pop_group = [&](std::uint8_t const*& at) HWY_ATTR {
        auto* const to = symbols + group * most_state_lanes;
#pragma GCC unroll 16
        for (std::size_t v = 0; v < vectors; ++v) {
            auto const entry = pop<walks>(lookup, state[v], place + v * width);
            hn::StoreU(hn::TruncateTo(Bytes(), entry), Bytes(), to + v * width);
            state[v] = take_words(state[v], at);
        }
        if constexpr (walks) place = next_place(walk, place);
        ++group;
    };
    auto const* at = reinterpret_cast<std::uint8_t const*>(words);
    auto const* const last = reinterpret_cast<std::uint8_t const*>(end);
    while (group < groups && static_cast<std::size_t>(last - at) >= group_word_bytes) pop_group(at);
    words += at - reinterpret_cast<std::uint8_t const*>(words);
    if (group < groups) {
        // The last words again, with room behind them: a group takes no more than so many.
        std::uint8_t tail[2 * group_word_bytes] = {};
        auto const rest = last - at;
        std::memcpy(tail, at, static_cast<std::size_t>(rest));
        auto const* in_tail = static_cast<std::uint8_t const*>(tail);
        while (group < groups && in_tail - tail <= rest) pop_group(in_tail);
        if (in_tail - tail > rest) return false;
        words += in_tail - tail;
    }
    for (std::size_t v = 0; v < vectors; ++v) hn::StoreU(state[v], d, states + v * width);
    return true;
}

// Pushing: vectors hold lanes in descending order, so that words leave in the order in which they are pushed.

/// Moves a word out of each state of `full`. Writes 2 `width` bytes.
template <class Mask>
HWY_INLINE WordVector give_words(WordVector state, Mask full, std::uint8_t*& words) {
    Words const d;
    auto const leaving = hn::TruncateTo(Halves(), hn::Compress(state, full));
    hn::StoreU(hn::BitCast(HalfBytes(), leaving), HalfBytes(), words);
    words += 2 * hn::CountTrue(d, full);
    return hn::IfThenElse(full, hn::ShiftRight<16>(state), state);
}

template <bool walks>
HWY_INLINE WordVector push(HuffmanCodes const& codes, WordVector state, WordVector symbol, std::size_t,
                           std::uint8_t*& words) {
    Words const d;
    auto const code = gather(codes.codes, symbol);
    auto const length = hn::ShiftRight<16>(code);
    auto const full = hn::Ge(hn::Shr(state, hn::Sub(hn::Set(d, 31), length)), hn::Set(d, 2));
    state = give_words(state, full, words);
    return hn::Or(hn::Shl(state, length), hn::And(code, hn::Set(d, 0xffff)));
}

/// floor(x / f) comes from single precision: x < f 2^20 and three roundings of 2^-24 err by less than one, which the
/// remainder tells.
template <bool walks>
HWY_INLINE WordVector push(RansCodes const& codes, WordVector state, WordVector symbol, std::size_t place,
                           std::uint8_t*& words) {
    Words const d;
    hn::RebindToFloat<Words> const floats;
    Signed const integers;
    if constexpr (walks) {
        auto const tables = hn::Reverse(d, tables_at(codes.walk, place));
        symbol = hn::Add(symbol, hn::ShiftLeft<8>(tables));
    }
    auto const code = gather(codes.codes, symbol);
    auto const reciprocal = hn::GatherIndex(floats, codes.reciprocals, hn::BitCast(integers, symbol));
    auto const frequency = hn::And(code, hn::Set(d, 0xffff));
    state = give_words(state, hn::Ge(hn::ShiftRight<32 - rans_bits>(state), frequency), words);
    auto quotient = hn::BitCast(d, hn::ConvertTo(integers, hn::Mul(hn::ConvertTo(floats, state), reciprocal)));
    auto rest = hn::BitCast(integers, hn::Sub(state, hn::Mul(quotient, frequency)));
    auto const one = hn::Set(d, 1);
    auto const whole = hn::BitCast(integers, frequency);
    auto const below = hn::Lt(rest, hn::Zero(integers));
    rest = hn::IfThenElse(below, hn::Add(rest, whole), rest);
    quotient = hn::IfThenElse(hn::RebindMask(d, below), hn::Sub(quotient, one), quotient);
    auto const above = hn::Ge(rest, whole);
    rest = hn::IfThenElse(above, hn::Sub(rest, whole), rest);
    quotient = hn::IfThenElse(hn::RebindMask(d, above), hn::Add(quotient, one), quotient);
    return hn::Add(hn::Add(hn::ShiftLeft<rans_bits>(quotient), hn::BitCast(d, rest)), hn::ShiftRight<16>(code));
}

/// Pushes full groups of 64 symbols, the last first.
template <bool walks, class Codes>
void push_groups(Codes const& codes, TableWalk const& walk, std::uint8_t const* symbols, std::size_t groups,
                 std::uint32_t* states, std::byte*& words) {
    Words const d;
    WordVector state[vectors];
    for (std::size_t v = 0; v < vectors; ++v) {
        state[v] = hn::Reverse(d, hn::LoadU(d, states + most_state_lanes - (v + 1) * width));
    }
    auto* out = reinterpret_cast<std::uint8_t*>(words);
    for (auto group = groups; group-- > 0;) {
        auto const* const from = symbols + group * most_state_lanes;
        std::size_t const place = walks ? (walk.first + group * most_state_lanes) % walk.period : 0;
#pragma GCC unroll 16
        for (std::size_t v = 0; v < vectors; ++v) {
            auto const lane = most_state_lanes - (v + 1) * width;
            auto const symbol = hn::Reverse(d, hn::PromoteTo(d, hn::LoadU(Bytes(), from + lane)));
            state[v] = push<walks>(codes, state[v], symbol, place + lane, out);
        }
    }
    words += out - reinterpret_cast<std::uint8_t*>(words);
    for (std::size_t v = 0; v < vectors; ++v) {
        hn::StoreU(hn::Reverse(d, state[v]), d, states + most_state_lanes - (v + 1) * width);
    }
}

/// Copies 16-bit words, the last one first.
void reverse_words(std::byte const* words, std::size_t count, std::byte* to) {
    hn::CappedTag<std::uint16_t, 32> const d;
    hn::Repartition<std::uint8_t, decltype(d)> const bytes;
    std::size_t const lanes = hn::Lanes(d);
    auto const* const from = reinterpret_cast<std::uint8_t const*>(words);
    auto* const out = reinterpret_cast<std::uint8_t*>(to);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto const next = hn::BitCast(d, hn::LoadU(bytes, from + 2 * (count - i - lanes)));
        hn::StoreU(hn::BitCast(bytes, hn::Reverse(d, next)), bytes, out + 2 * i);
    }
    for (; i < count; ++i) std::memcpy(to + 2 * i, words + 2 * (count - i - 1), 2);
}

void push_huffman(HuffmanCodes const& codes, std::uint8_t const* symbols, std::size_t groups, std::uint32_t* states,
                  std::byte*& words) {
    push_groups<false>(codes, {}, symbols, groups, states, words);
}
void push_rans(RansCodes const& codes, std::uint8_t const* symbols, std::size_t groups, std::uint32_t* states,
               std::byte*& words) {
    if (codes.walk.tables == nullptr) return push_groups<false>(codes, codes.walk, symbols, groups, states, words);
    push_groups<true>(codes, codes.walk, symbols, groups, states, words);
}
bool pop_huffman(HuffmanLookup const& lookup, std::uint8_t* symbols, std::size_t groups, std::uint32_t* states,
                 std::byte const*& words, std::byte const* end) {
    return pop_groups<false>(lookup, {}, symbols, groups, states, words, end);
}
bool pop_rans(RansLookup const& lookup, std::uint8_t* symbols, std::size_t groups, std::uint32_t* states,
              std::byte const*& words, std::byte const* end) {
    if (lookup.walk.tables == nullptr)
        return pop_groups<false>(lookup, lookup.walk, symbols, groups, states, words, end);
    return pop_groups<true>(lookup, lookup.walk, symbols, groups, states, words, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(reverse_words);
HWY_EXPORT(push_huffman);
HWY_EXPORT(push_rans);
HWY_EXPORT(pop_huffman);
HWY_EXPORT(pop_rans);

namespace {

template <class Codes, class PushGroups>
std::size_t encode_block(Codes const& codes, PushGroups const& push_groups, std::uint8_t const* symbols,
                         std::size_t count, std::byte* coded, std::size_t most, std::byte* scratch) {
    auto const lanes = lanes_of(count);
    if (lanes == 1) return encode_states_singly(codes, symbols, count, coded, most, scratch);
    std::array<std::uint32_t, most_state_lanes> states;
    states.fill(least_state);
    auto* words = scratch;
    auto const groups = count / lanes;
    push_symbols(codes, symbols, groups * lanes, count, lanes, states.data(), words);
    push_groups(codes, symbols, groups, states.data(), words);
    auto const word_bytes = static_cast<std::size_t>(words - scratch);
    if (4 * lanes + word_bytes > most) return 0;
    std::memcpy(coded, states.data(), 4 * lanes);
    HWY_DYNAMIC_DISPATCH(reverse_words)(scratch, word_bytes / 2, coded + 4 * lanes);
    return 4 * lanes + word_bytes;
}

template <class Lookup, class PopGroups>
bool decode_block(Lookup const& lookup, PopGroups const& pop_groups, std::byte const* coded, std::size_t bytes,
                  std::uint8_t* symbols, std::size_t count) {
    auto const lanes = lanes_of(count);
    if (lanes == 1) return decode_states_singly(lookup, coded, bytes, symbols, count);
    std::array<std::uint32_t, most_state_lanes> states;
    if (!read_states(coded, bytes, lanes, states.data())) return false;
    auto const* words = coded + 4 * lanes;
    auto const* const end = coded + bytes;
    auto const groups = count / lanes;
    return pop_groups(lookup, symbols, groups, states.data(), words, end) &&
           pop_symbols(lookup, symbols, groups * lanes, count, lanes, states.data(), words, end) && words == end &&
           all_at_least_state(states.data(), lanes);
}

}  // namespace

std::size_t encode_states(HuffmanCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch) {
    return encode_block(codes, HWY_DYNAMIC_POINTER(push_huffman), symbols, count, coded, most, scratch);
}
std::size_t encode_states(RansCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch) {
    return encode_block(codes, HWY_DYNAMIC_POINTER(push_rans), symbols, count, coded, most, scratch);
}
bool decode_states(HuffmanLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count) {
    return decode_block(lookup, HWY_DYNAMIC_POINTER(pop_huffman), coded, bytes, symbols, count);
}
bool decode_states(RansLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count) {
    return decode_block(lookup, HWY_DYNAMIC_POINTER(pop_rans), coded, bytes, symbols, count);
}

}  // namespace kvstone
#endif  // HWY_ONCE
